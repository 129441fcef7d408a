"""Screening again, and deciding by hand what the criteria could not. What was said before is kept, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.timezone import now

from dicom_ingest.models import Route
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import arm_findings, case_flow, enrolment, screening
from studies.cases.screening import Screened
from studies.models import Case, MissedExam, PastScreening, ProtocolVersion, Read, Screening, Study
from studies.protocols import protocol
from studies.refusals import Refused

Outcome = Screening.Outcome
AT_ONCE = 500
"""As many exams are screened again for one request: the header of each series is read."""


def outdated(study: Study) -> QuerySet[Screening]:
    """Those made by other criteria than the protocol has now, or before the exam's last images came.

    Not those decided by hand, of the pilot once it is over, or with a case that readers have begun with.
    """
    late = Route.objects.filter(
        exam=OuterRef("exam"), called_ae=study.ae_title.title, completed_at__gt=OuterRef("screened_at")
    )
    begun = Read.objects.filter(case__screening=OuterRef("pk"), state__in=arm_findings.BEGUN)
    return Screening.objects.filter(
        Q(protocol__in=_with_other_criteria(study)) | Exists(late),
        ~Exists(begun),
        study=study,
        decided_by=None,
        is_pilot=study.stage == Study.Stage.PILOT,
    )


@transaction.atomic
def screen_again(screenings: Iterable[Screening], *, by: User, why: str) -> int:
    """Screen the exams of one study by its newest frozen version, as they are now; return how many came out otherwise.

    Raises Refused without a reason, in a study that takes no exams, and when it would take away a case that is being
    read; then nothing is changed.
    """
    wanted = [one.pk for one in screenings]
    study = _open_study(Screening.objects.filter(pk__in=wanted), why)
    if study is None:
        return 0
    version = protocol.current(study)
    locked = list(_locked(wanted))
    among = enrolment.candidates(study, [one.exam for one in locked])
    changed = sum(
        _replace(one, screening.screen(version.content.criteria, among[one.exam_id]), version, by=by, why=why)
        for one in locked
    )
    detail = {"screened": len(locked), "changed": changed, "protocol": version.number}
    trail.record(Action.EXAMS_SCREENED_AGAIN, of=study.slug, study=study.slug, detail=detail)
    return changed


@transaction.atomic
def decide(kept: Screening, outcome: Screening.Outcome, *, by: User, why: str) -> None:
    """Let a person say whether an exam enters that the criteria cannot decide on. Raises Refused."""
    if _open_study(Screening.objects.filter(pk=kept.pk), why) is None:
        raise Refused("The exam is no longer there.")
    [kept] = _locked([kept.pk])
    if kept.outcome != Outcome.UNDECIDED:
        raise Refused(
            f"The exam is {kept.get_outcome_display().lower()} already. Only what is undecided is decided by hand."
        )
    if outcome not in (Outcome.MATCHED, Outcome.EXCLUDED):
        raise Refused("Decide whether the exam enters the study or not.")
    said = Screened(
        outcome=outcome, criterion=kept.criterion if outcome == Outcome.EXCLUDED else "", reason=why.strip()
    )
    verdicts = kept.verdicts
    _replace(kept, said, kept.protocol, by=by, why=why, decided_by=by)
    Screening.objects.filter(pk=kept.pk).update(verdicts=verdicts)
    uid, slug = kept.exam.study_instance_uid, kept.study.slug
    trail.record(Action.SCREENING_DECIDED, of=uid, study=slug, detail={"decision": outcome.value})


@transaction.atomic
def take_missed(study: Study, *, by: User, why: str) -> int:
    """Screen the exams that came while the study took none; return how many there were. Raises Refused."""
    if not why.strip():
        raise Refused("Say why exams are taken that came while the study took none.")
    if not enrolment.locked(study.pk).enrols:
        raise Refused(f"{study} takes no exams: it is {study.get_stage_display().lower()}.")
    missed = MissedExam.objects.filter(study=study)
    exams = list(missed.values_list("exam_id", flat=True))
    missed.delete()
    taken = enrolment.screen_now(study.pk, exams)
    trail.record(Action.MISSED_EXAMS_TAKEN, of=study.slug, study=study.slug, detail={"count": taken})
    return taken


def _with_other_criteria(study: Study) -> list[int]:
    """The versions of the protocol by which an exam may be judged otherwise than by the present one."""
    criteria = protocol.current(study).content.criteria
    return [version.pk for version in study.protocols.all() if version.content.criteria != criteria]


def _open_study(screenings: QuerySet[Screening], why: str) -> Study | None:
    """The study of the screenings, locked; None when there are none. Raises Refused."""
    if not why.strip():
        raise Refused("Say why: the reason is kept with what was said before.")
    first = screenings.first()
    if first is None:
        return None
    study = enrolment.locked(first.study_id)
    if not study.enrols:
        raise Refused(f"{study} takes no exams: it is {study.get_stage_display().lower()}.")
    return study


def _locked(keys: Iterable[int]) -> QuerySet[Screening]:
    waiting = Screening.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=keys)
    return waiting.select_related("study__ae_title", "exam", "protocol").order_by("pk")


def _replace(
    kept: Screening, said: Screened, version: ProtocolVersion, *, by: User, why: str, decided_by: User | None = None
) -> bool:
    """Put what was said now in the place of what was said before. True when the outcome is another."""
    was = kept.outcome
    _remember(kept, by=by, why=why)
    for name, value in said.fields.items():
        setattr(kept, name, value)
    kept.protocol, kept.decided_by, kept.screened_at = version, decided_by, now()
    kept.save()
    _follow(kept)
    return kept.outcome != was


def _remember(kept: Screening, *, by: User, why: str) -> None:
    PastScreening.objects.create(
        screening=kept,
        protocol=kept.protocol,
        outcome=kept.outcome,
        criterion=kept.criterion,
        reason=kept.reason,
        decided_by=kept.decided_by,
        screened_at=kept.screened_at,
        replaced_by=by,
        why=why.strip(),
    )


def _follow(kept: Screening) -> None:
    """Have the case follow the screening. Raises Refused when it would take away one that is being read."""
    case = Case.objects.select_for_update(no_key=True).filter(screening=kept).first()
    if case is None:
        if kept.outcome == Outcome.MATCHED:
            enrolment.make_case(kept)
        return
    is_read = arm_findings.is_being_read(case)
    if kept.outcome != Outcome.MATCHED and is_read:
        raise Refused(
            f"Case {case.number} would leave the study, and readers have begun with it. What was read stays; "
            "leave it out of the analysis instead."
        )
    if kept.outcome != Outcome.MATCHED:
        case_flow.exclude(case, f"{kept.get_outcome_display()}: {kept.criterion}")
    elif not is_read:
        case_flow.readmit(case, kept.protocol)
