"""Complete exams are screened once, and those that the protocol lets in become cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils.timezone import now

from dicom_ingest import judging
from dicom_ingest.exam_headers import HeaderUnreadable, headers_of_each
from dicom_ingest.headers import SeriesHeader
from dicom_ingest.models import Exam, Route
from portal.audit import trail
from portal.audit.actions import Action
from studies.cases import screening
from studies.cases.screening import Among, Screened
from studies.models import Case, MissedExam, ProtocolVersion, Screening, Study
from studies.protocols import protocol

BATCH = 100


def enrol_complete_exams() -> int:
    """Screen every exam that completed on a study's AE title and is not yet screened; return how many there were.

    Those that came while their study took none are noted as missed, and stay so until somebody has them screened.
    """
    studies = {study.ae_title.title: study for study in Study.objects.select_related("ae_title")}
    waiting: dict[int, list[int]] = defaultdict(list)
    missed: list[MissedExam] = []
    for route in _unscreened(studies):
        study = studies[route.called_ae]
        if study.enrols:
            waiting[study.pk].append(route.exam_id)
        else:
            missed.append(_missed(study, route))
    MissedExam.objects.bulk_create(missed, ignore_conflicts=True)
    return sum(screen_now(study_id, batch) for study_id, exams in waiting.items() for batch in _batches(exams))


def candidates(study: Study, exams: Iterable[Exam]) -> dict[int, Among]:
    """The series of each exam, by its primary key, as the study's criteria see them. Three queries, however many."""
    wanted = list(exams)
    headers = headers_of_each(wanted)
    came = Route.objects.filter(exam__in=wanted, called_ae=study.ae_title.title).values_list("exam_id", "calling_ae")
    senders = dict(came)
    return {exam.pk: _among(study, headers[exam.pk], senders.get(exam.pk, "")) for exam in wanted}


def take(study: Study, exam: Exam, version: ProtocolVersion, screened: Screened) -> Screening:
    """Keep what the first screening of an exam said, and make it a case where it matched. The study must be locked."""
    kept = Screening.objects.create(
        study=study, exam=exam, protocol=version, is_pilot=study.stage == Study.Stage.PILOT, **screened.fields
    )
    if kept.outcome == Screening.Outcome.MATCHED:
        make_case(kept)
    return kept


def make_case(kept: Screening) -> Case:
    """The next case of a study, whose row must be locked so that no number is given twice."""
    last = Case.objects.filter(study=kept.study_id).aggregate(last=Max("number"))["last"] or 0
    return Case.objects.create(
        study=kept.study,
        exam=kept.exam,
        number=last + 1,
        screening=kept,
        protocol=kept.protocol,
        is_pilot=kept.is_pilot,
    )


def locked(study_id: int) -> Study:
    """The study, in which nobody else numbers cases until the transaction ends."""
    return Study.objects.select_related("ae_title").select_for_update(of=("self",), no_key=True).get(pk=study_id)


@transaction.atomic
def screen_now(study_id: int, exam_ids: Sequence[int]) -> int:
    """Screen those of the exams that have no screening in the study; return how many that were."""
    study = locked(study_id)
    if not study.enrols:
        return 0
    version = protocol.current(study)
    screened = Screening.objects.filter(study=study, exam=OuterRef("pk"))
    new = list(Exam.objects.filter(~Exists(screened), pk__in=exam_ids).order_by("received_at", "pk"))
    criteria = version.content.criteria
    among = candidates(study, new) if criteria else {}
    kept = [take(study, exam, version, screening.screen(criteria, among.get(exam.pk, ()))) for exam in new]
    if kept:
        _record(study, version, kept)
    return len(kept)


def _record(study: Study, version: ProtocolVersion, kept: Sequence[Screening]) -> None:
    outcomes = Counter(one.outcome for one in kept)
    detail = {
        "screened": len(kept),
        "enrolled": outcomes[Screening.Outcome.MATCHED],
        "excluded": outcomes[Screening.Outcome.EXCLUDED],
        "protocol": version.number,
    }
    trail.record(Action.EXAMS_SCREENED, of=study.slug, study=study.slug, detail=detail)


def _unscreened(titles: Iterable[str]) -> QuerySet[Route]:
    """The complete routes to a study's AE title of exams that the study neither screened nor missed, in order."""
    same = {"exam": OuterRef("exam"), "study__ae_title__title": OuterRef("called_ae")}
    return (
        Route.objects.filter(completed_at__isnull=False, called_ae__in=titles)
        .filter(~Exists(Screening.objects.filter(**same)), ~Exists(MissedExam.objects.filter(**same)))
        .order_by("first_instance_at", "pk")
    )


def _missed(study: Study, route: Route) -> MissedExam:
    return MissedExam(study=study, exam_id=route.exam_id, stage=study.stage, came_at=route.completed_at or now())


def _batches(exams: Sequence[int]) -> Iterator[Sequence[int]]:
    """A batch at a time, so that the study is never locked for long."""
    for start in range(0, len(exams), BATCH):
        yield exams[start : start + BATCH]


def _among(study: Study, headers: list[SeriesHeader] | HeaderUnreadable, calling_ae: str) -> Among:
    if isinstance(headers, HeaderUnreadable):
        return headers
    return judging.candidates(headers, called_ae=study.ae_title.title, calling_ae=calling_ae)
