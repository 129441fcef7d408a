"""The check by people before readers see a case: verdicts are added, never changed.

With two reviewers a case passes, or is rejected, when two agree. While they disagree it waits, and either a third
decides or one of them gives another verdict; each reviewer's newest counts.
"""

from __future__ import annotations

from django.db import transaction

from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import case_flow
from studies.models import Case, QCReview
from studies.refusals import Refused

Verdict = QCReview.Verdict


@transaction.atomic
def review(case: Case, verdict: QCReview.Verdict, *, by: User, reason: str = "", note: str = "") -> QCReview:
    """Add a verdict on a case that awaits QC, and move the case when it decides.

    Raises Refused for a case that does not await QC, and for a rejection without a reason of the protocol's list.
    """
    case = _locked(case)
    if not case.study.enrols:
        raise Refused(f"{case.study} is {case.study.get_stage_display().lower()}: its cases are no longer checked.")
    if case.state != Case.State.AWAITING_QC:
        raise Refused(f"Case {case.number} does not await QC: it is {case.get_state_display().lower()}.")
    reasons = case.protocol.content.quality_control.reasons
    if verdict == Verdict.REJECT and reason not in reasons:
        raise Refused(f"Say why the case is rejected: {', '.join(reasons)}.")
    given = QCReview.objects.create(
        case=case,
        round=case.qc_round,
        reviewer=by,
        verdict=verdict,
        reason=reason if verdict == Verdict.REJECT else "",
        note=note.strip(),
    )
    case_flow.judged(case)
    detail = {"case": case.number, "decision": verdict.value, "state": case.state}
    trail.record(Action.CASE_REVIEWED, **case_flow.record_of(case), detail=detail)
    return given


@transaction.atomic
def reopen(case: Case, *, by: User, reason: str) -> None:
    """Have a case that QC rejected checked anew. Raises Refused without a reason, or for any other case."""
    case = _locked(case)
    if case.state != Case.State.QC_REJECTED:
        raise Refused(f"Case {case.number} was not rejected by QC: it is {case.get_state_display().lower()}.")
    if not reason.strip():
        raise Refused("Say why the case is checked again.")
    case_flow.back_to_qc(case)
    trail.record(Action.CASE_TO_BE_REVIEWED_AGAIN, **case_flow.record_of(case), detail={"case": case.number})


def _locked(case: Case) -> Case:
    waiting = Case.objects.select_for_update(of=("self",), no_key=True)
    return waiting.select_related("study", "protocol").get(pk=case.pk)
