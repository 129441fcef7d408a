"""Earlier exams of a case's patient, fetched where the study asks: the last so many, of a modality, from a remote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, F, Q
from django.utils.timezone import now

from dicom_ingest.models import Exam, Retrieval
from dicom_ingest.pacs import query, retrieve
from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Transfer
from dicom_ingest.pacs.query import Criteria, Match
from studies.models import Case, PriorSearch, Study

State = PriorSearch.State
_CASES_PER_TICK = 5
_MOST_ATTEMPTS = 8
_LONGEST_SEARCH = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class PriorsLine:
    """How far a study's priors are, in numbers."""

    study: Study
    sought: int
    waiting: int
    failed: int
    here: int
    coming: int
    lost: int
    reason: str


def seek() -> int:
    """Look for the priors of a few cases that came since the study asks for them; return how many cases were done."""
    _note_new_cases()
    due = PriorSearch.objects.filter(
        state=State.WAITING, not_before__lte=now(), case__study__priors_remote__active=True
    )
    return sum(_seek(pk) for pk in due.order_by("not_before").values_list("pk", flat=True)[:_CASES_PER_TICK])


def line_of(study: Study) -> PriorsLine | None:
    """What the study's page says of its priors; None where it asks for none."""
    if not study.wants_priors:
        return None
    searches = PriorSearch.objects.filter(case__study=study)
    retrievals = Retrieval.objects.filter(pk__in=searches.values("retrievals"))
    states = retrievals.aggregate(
        here=Count("pk", filter=Q(state=Transfer.State.DONE)),
        lost=Count("pk", filter=Q(state__in=[Transfer.State.FAILED, Transfer.State.CANCELLED])),
        coming=Count("pk", filter=Q(state__in=[Transfer.State.QUEUED, Transfer.State.RUNNING])),
    )
    troubled = searches.exclude(reason="").order_by("-pk").first()
    return PriorsLine(
        study=study,
        sought=searches.filter(state=State.DONE).count(),
        waiting=study.cases.exclude(prior_search__state__in=[State.DONE, State.FAILED]).count(),
        failed=searches.filter(state=State.FAILED).count(),
        reason=troubled.reason if troubled else "",
        **states,
    )


def _note_new_cases() -> None:
    asking = Study.objects.filter(priors__gt=0, priors_remote__isnull=False, priors_ae_title__isnull=False)
    new = Case.objects.filter(study__in=asking, prior_search=None)
    PriorSearch.objects.bulk_create((PriorSearch(case=case) for case in new), ignore_conflicts=True)


def _seek(search_id: int) -> bool:
    """One case's priors. The row is put off first, so that no other worker asks meanwhile, nor soon after a crash."""
    waiting = PriorSearch.objects.filter(pk=search_id, state=State.WAITING, not_before__lte=now())
    if not waiting.update(attempts=F("attempts") + 1, not_before=now() + _LONGEST_SEARCH):
        return False
    search = PriorSearch.objects.select_related("case__exam", "case__study__priors_remote").get(pk=search_id)
    try:
        search.retrievals.set(_fetch(search.case.study, search.case.exam))
    except PacsError as fault:
        _put_off(search, fault)
        return False
    search.state, search.reason = State.DONE, ""
    search.save()
    return True


def _put_off(search: PriorSearch, fault: PacsError) -> None:
    search.reason = str(fault)
    search.not_before = now() + timedelta(seconds=min(30 * 2**search.attempts, 3600))
    if isinstance(fault, Refused) or search.attempts >= _MOST_ATTEMPTS:
        search.state = State.FAILED
    search.save()


def _fetch(study: Study, exam: Exam) -> list[Retrieval]:
    """Queue the patient's last exams before this one that are not here. Raises PacsError."""
    if study.priors_remote is None or study.priors_ae_title is None:
        raise Refused("The study asks for no priors any more.")
    if not exam.patient_id:
        raise Refused("An exam without a patient ID has no priors that could be looked for.")
    found = query.search(study.priors_remote, Criteria(patient_id=exam.patient_id, modality=study.priors_modality))
    wanted = [match for match in found.matches if _is_prior(match, exam)][: study.priors]
    known = Exam.objects.filter(study_instance_uid__in=[one.study_instance_uid for one in wanted])
    here = set(known.values_list("study_instance_uid", flat=True))
    return [
        retrieve.request(
            study.priors_remote,
            match.study_instance_uid,
            called_ae=study.priors_ae_title.title,
            priority=Transfer.Priority.BATCH,
            description=match.description,
        )
        for match in wanted
        if match.study_instance_uid not in here
    ]


def _is_prior(match: Match, exam: Exam) -> bool:
    """Of this very patient (an ID may have been taken as a pattern), and not later than the exam."""
    if match.study_instance_uid == exam.study_instance_uid or match.patient_id != exam.patient_id:
        return False
    return not (match.study_date and exam.study_date and match.study_date > exam.study_date)
