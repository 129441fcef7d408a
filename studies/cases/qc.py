"""The check by people before readers see a case: verdicts are added, never changed.

With two reviewers a case passes, or is rejected, when two agree. While they disagree it waits, and either a third
decides or one of them gives another verdict; each reviewer's newest counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import arm_findings, case_flow, qc_verdict
from studies.models import Case, QCReview
from studies.refusals import Refused

Verdict = QCReview.Verdict
DECIDED = (Case.State.ENROLLED, Case.State.QC_REJECTED)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a reviewer looked at the case. round: that the case was in; seconds: None where nothing counted them."""

    round: int
    active_seconds: float | None = None
    open_seconds: float | None = None


@transaction.atomic
def review(
    case: Case, verdict: QCReview.Verdict, *, by: User, reason: str = "", note: str = "", look: Look | None = None
) -> QCReview:
    """Add a verdict on a case that awaits QC, and move the case when it decides.

    Who gave one may give another, also once it decided, until a read of the case was opened. Raises Refused for any
    other case that does not await QC, for a rejection without a reason of the protocol's list, for the same verdict
    given twice, and where the case is not in the round that was looked at.
    """
    case = _locked(case)
    earlier = next((one for one in qc_verdict.counting(case) if one.reviewer_id == by.pk), None)
    _refuse_outdated(case, earlier, look)
    reasons = case.protocol.content.quality_control.reasons
    if verdict == Verdict.REJECT and reason not in reasons:
        raise Refused(f"Say why the case is rejected: {', '.join(reasons)}.")
    reason = reason if verdict == Verdict.REJECT else ""
    if earlier and (earlier.verdict, earlier.reason, earlier.note) == (verdict, reason, note.strip()):
        raise Refused(f"You have {_in_words(earlier)} case {case.number} already, so nothing was added.")
    given = QCReview.objects.create(
        case=case,
        round=case.qc_round,
        reviewer=by,
        verdict=verdict,
        reason=reason,
        note=note.strip(),
        active_seconds=look.active_seconds if look else None,
        open_seconds=look.open_seconds if look else None,
    )
    case_flow.judged(case)
    detail = {"case": case.number, "decision": verdict.value, "state": case.state}
    trail.record(Action.CASE_REVIEWED, **case_flow.record_of(case), detail=detail)
    return given


def may_change(case: Case, by: User) -> bool:
    """Whether `by` gave a verdict in the case's present round that they may still change."""
    mine = any(one.reviewer_id == by.pk for one in qc_verdict.counting(case))
    return mine and case.study.enrols and not (case.state == Case.State.ENROLLED and arm_findings.is_being_read(case))


def _refuse_outdated(case: Case, earlier: QCReview | None, look: Look | None) -> None:
    if not case.study.enrols:
        raise Refused(f"{case.study} is {case.study.get_stage_display().lower()}: its cases are no longer checked.")
    if look is not None and look.round != case.qc_round:
        raise Refused(
            f"Case {case.number} has a newer result than the one that you looked at, so nothing was added. "
            "Look at it again."
        )
    if case.state == Case.State.AWAITING_QC:
        return
    now_is = case.get_state_display().lower()
    if case.state not in DECIDED or earlier is None:
        who = "Others decided meanwhile. " if case.state in DECIDED else ""
        raise Refused(f"Case {case.number} does not await QC: it is {now_is}. {who}Nothing was added.")
    if case.state == Case.State.ENROLLED and arm_findings.is_being_read(case):
        raise Refused(
            f"You have {_in_words(earlier)} case {case.number}, and a reader has opened it since. "
            "Nothing was added: tell the study's coordinator what is wrong with it."
        )


def _in_words(review: QCReview) -> str:
    return "accepted" if review.verdict == Verdict.ACCEPT else f"rejected ({review.reason})"


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
