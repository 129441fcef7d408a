"""Cases on their way to readers: processed, checked, enrolled. This module alone moves them.

Where a case stands follows from what is in the database: the jobs of its arms' pipelines, its findings, and the
verdicts of QC. So `advance` may be called at any time, by several workers, after any crash, and a case that failed goes
on by itself when a retried job succeeds.

From the moment that somebody has opened a read of a case its findings no longer change and it stays enrolled, so that
all its readers judge the same. What comes later is said with the case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.timezone import now

from dicom_ingest.exam_headers import HeaderUnreadable
from dicom_ingest.models import Route
from inference import dispatch, engine
from inference.errors import InferenceError
from inference.models import Job
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import arm_findings, outside_findings, qc_verdict
from studies.cases.arm_findings import Made
from studies.models import ENROLLING, ArmFinding, Case, ProtocolVersion
from studies.protocols.protocol_schema import PipelineFindings, Protocol
from studies.refusals import Refused

State = Case.State
UNSETTLED = (State.PROCESSING, State.FAILED)
AFTER_PROCESSING = (State.AWAITING_QC, State.QC_REJECTED, State.ENROLLED)
REQUESTS_PER_TICK = 20
NEWER_AFTER_READING = "A newer result came after reading had begun; readers are shown the earlier one."


@dataclass(frozen=True)
class Wanted:
    """A pipeline that a case waits for. arm: whose findings it makes; empty when it only has to have run."""

    pipeline: str
    digest: str = ""
    arm: str = ""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where the pipelines of a case are: what failed, in words, whether any is still at work, and each arm's result."""

    failure: str = ""
    is_waiting: bool = False
    jobs: Mapping[str, Job] = field(default_factory=dict)


def advance() -> int:
    """Move every case that can be moved, and return how many were."""
    _request_pipelines()
    outside_findings.collect()
    return sum(settle(pk) for pk in _to_settle())


@transaction.atomic
def settle(case_id: int) -> bool:
    """Take the case to where it belongs; False when it is there."""
    case = _locked(case_id)
    if case is None or not case.study.enrols or case.state == State.EXCLUDED:
        return False
    before = case.state
    moved = _settle(case)
    if case.state != before:
        trail.record(
            Action.CASE_MOVED, **record_of(case), detail={"case": case.number, "from": before, "to": case.state}
        )
    return moved


def record_of(case: Case) -> dict[str, str]:
    """What the audit trail calls the case; it comes with its study."""
    return {"of": f"case:{case.pk}", "study": case.study.slug}


def _settle(case: Case) -> bool:
    if case.state == State.ENROLLED and arm_findings.is_being_read(case):
        return _note_newer(case)
    standing = standing_of([case])[case.pk]
    if standing.failure:
        return _move(case, State.FAILED, standing.failure)
    if standing.is_waiting:
        return _move(case, State.PROCESSING)
    is_new = [arm_findings.keep(case, arm, _made(job)) for arm, job in standing.jobs.items()]
    return _after_processing(case, is_new=any(is_new))


def exclude(case: Case, reason: str) -> None:
    """Take the case out of the study. Part of the caller's transaction."""
    _move(case, State.EXCLUDED, reason)


def readmit(case: Case, protocol: ProtocolVersion) -> None:
    """Let the case go its way by `protocol`, from the beginning where it was excluded. Part of a transaction."""
    case.protocol, case.requested_at, case.request_problem = protocol, None, ""
    case.save(update_fields=["protocol", "requested_at", "request_problem"])
    if case.state == State.EXCLUDED:
        _move(case, State.PROCESSING)


def judged(case: Case) -> bool:
    """Take a case that QC has, or decided, to where its reviews take it; False when it is there. In a transaction."""
    verdict = qc_verdict.of(case)
    if case.state not in AFTER_PROCESSING:
        return False
    if verdict is None:
        return _move(case, State.AWAITING_QC)
    if verdict.is_accepted:
        return _move(case, State.ENROLLED)
    return _move(case, State.QC_REJECTED, verdict.reason)


def back_to_qc(case: Case) -> None:
    """Have the case checked anew; earlier verdicts count no more. Part of a transaction."""
    _begin_qc(case)


@transaction.atomic
def try_again(case: Case, *, by: User) -> None:
    """Retry the jobs for which the case failed, and ask for its pipelines once more at the next tick.

    Raises Refused for a case that did not fail.
    """
    if not Case.objects.filter(pk=case.pk, state=State.FAILED).select_for_update(no_key=True).exists():
        raise Refused(f"Case {case.number} did not fail: it is {case.get_state_display().lower()}.")
    Case.objects.filter(pk=case.pk).update(requested_at=None, request_problem="")
    jobs = _newest_jobs([case], {one.pipeline for one in wanted_of_case(case)})
    for job in jobs.values():
        if job.is_retryable:
            engine.retry(job.pk)
    trail.record(Action.CASE_TRIED_AGAIN, **record_of(case), detail={"case": case.number})


def wanted_of(protocol: Protocol, ae_pipeline: str) -> tuple[Wanted, ...]:
    """The pipelines that cases of the protocol wait for: its arms', or without arms that of the study's AE title."""
    frozen = {one.name: one.digest for one in protocol.pipelines}
    of_arms = tuple(
        Wanted(arm.findings.pipeline, frozen.get(arm.findings.pipeline, ""), arm.key)
        for arm in protocol.arms
        if isinstance(arm.findings, PipelineFindings)
    )
    if of_arms or protocol.arms or not ae_pipeline:
        return of_arms
    return (Wanted(ae_pipeline),)


def wanted_of_case(case: Case) -> tuple[Wanted, ...]:
    """The pipelines that the case waits for, by its own version of the protocol."""
    if case.protocol.is_frozen:
        return _wanted_of_frozen(case.protocol_id, case.protocol.digest, case.study.ae_title.pipeline)
    return wanted_of(case.protocol.content, case.study.ae_title.pipeline)


def standing_of(cases: Sequence[Case]) -> dict[int, Standing]:
    """The standing of each case, by its primary key; they come with study, AE title and protocol. One query."""
    wanted = {case.pk: wanted_of_case(case) for case in cases}
    jobs = _newest_jobs(cases, {one.pipeline for each in wanted.values() for one in each})
    return {case.pk: _standing(case, wanted[case.pk], jobs) for case in cases}


def _standing(case: Case, wanted: Sequence[Wanted], jobs: Mapping[tuple[int, str], Job]) -> Standing:
    if case.request_problem:
        return Standing(failure=case.request_problem)
    found = {one: jobs.get((case.exam_id, one.pipeline)) for one in wanted}
    failures = dict.fromkeys(reason for one, job in found.items() if job and (reason := _failure(one, job)))
    done = {one: job for one, job in found.items() if job and job.state == Job.State.SUCCEEDED}
    return Standing(
        failure=" ".join(failures),
        is_waiting=len(done) < len(found),
        jobs={one.arm: job for one, job in done.items() if one.arm},
    )


def _failure(wanted: Wanted, job: Job) -> str:
    """Why the job gives no finding, in words; nothing when it does or still may."""
    if wanted.digest and job.pipeline.digest != wanted.digest:
        return (
            f"Pipeline {wanted.pipeline} ran in version {job.pipeline.digest[:12]}, and the protocol froze "
            f"{wanted.digest[:12]}. Install the latter again and press Try again, or amend the protocol."
        )
    if job.state in (Job.State.FAILED, Job.State.SKIPPED, Job.State.CANCELLED):
        return f"{wanted.pipeline}: {job.reason or job.get_state_display()}"
    return ""


def _newest_jobs(cases: Sequence[Case], names: set[str]) -> dict[tuple[int, str], Job]:
    jobs = (
        Job.objects.filter(exam__in=[case.exam_id for case in cases], pipeline__name__in=names, rerun_of=None)
        .exclude(state=Job.State.SUPERSEDED)
        .select_related("pipeline", "result")
        .defer("log", "pipeline__definition")
        .order_by("created_at")
    )
    return {(job.exam_id, job.pipeline.name): job for job in jobs}


def _made(job: Job) -> Made:
    return Made(result=job.result, series=job.result.segmentation, origin=str(job.pipeline))


def _after_processing(case: Case, *, is_new: bool) -> bool:
    if not case.protocol.content.quality_control.required:
        return _move(case, State.ENROLLED)
    if is_new or case.state in UNSETTLED:
        return _begin_qc(case)
    return case.state == State.AWAITING_QC and judged(case)


def _begin_qc(case: Case) -> bool:
    case.qc_round += 1
    case.save(update_fields=["qc_round"])
    _move(case, State.AWAITING_QC)
    return True


def _note_newer(case: Case) -> bool:
    superseded = arm_findings.current(case).filter(result__job__state=Job.State.SUPERSEDED).exists()
    return _move(case, State(case.state), NEWER_AFTER_READING) if superseded else False


def _move(case: Case, state: Case.State, reason: str = "") -> bool:
    """Where states change. False when the case is there already, for that reason."""
    if case.state == state and case.state_reason == reason:
        return False
    if case.state != state:
        case.state_at = now()
    case.state, case.state_reason = state, reason
    case.save(update_fields=["state", "state_reason", "state_at"])
    return True


def _locked(case_id: int) -> Case | None:
    """The case, for this transaction alone, or None while another works on it: a later tick finds it again."""
    waiting = Case.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    return _with_all(waiting).filter(pk=case_id).first()


def _with_all(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.select_related("study__ae_title", "protocol", "exam")


def _to_settle() -> list[int]:
    """The cases whose state may no longer be right. Few queries, however many there are."""
    open_cases = Case.objects.filter(study__stage__in=ENROLLING)
    outdated = ArmFinding.objects.filter(case=OuterRef("pk"), replaced_at=None, result__job__state=Job.State.SUPERSEDED)
    touched = open_cases.filter(Exists(outdated), state__in=AFTER_PROCESSING).exclude(state_reason=NEWER_AFTER_READING)
    unsettled = list(
        open_cases.filter(state__in=UNSETTLED).select_related("study__ae_title", "protocol").defer("protocol__document")
    )
    standing = standing_of(unsettled)
    moving = [case.pk for case in unsettled if _is_moving(case, standing[case.pk])]
    return [*moving, *touched.values_list("pk", flat=True)]


def _is_moving(case: Case, standing: Standing) -> bool:
    if standing.failure:
        return case.state_reason != standing.failure
    return not (standing.is_waiting and case.state == State.PROCESSING)


def _request_pipelines() -> None:
    """Ask for the pipelines of cases that are new, or whose exam completed once more since they were asked for."""
    came = Q(exam__routes__called_ae=F("study__ae_title__title"), exam__routes__completed_at__isnull=False)
    since = Q(requested_at=None) | Q(exam__routes__completed_at__gt=F("requested_at"))
    due = Case.objects.filter(came, since, study__stage__in=ENROLLING).exclude(state=State.EXCLUDED)
    for pk in due.exclude(arm_findings.reading_begun()).order_by("pk").values_list("pk", flat=True)[:REQUESTS_PER_TICK]:
        _request(pk)


@transaction.atomic
def _request(case_id: int) -> None:
    case = _locked(case_id)
    if case is None:
        return
    moment = now()
    route = Route.objects.filter(
        exam=case.exam, called_ae=case.study.ae_title.title, completed_at__isnull=False
    ).first()
    if route is None:
        return
    problems = [problem for one in wanted_of_case(case) if (problem := _problem_of_request(one, route))]
    case.requested_at, case.request_problem = moment, " ".join(dict.fromkeys(problems))
    case.save(update_fields=["requested_at", "request_problem"])


def _problem_of_request(wanted: Wanted, route: Route) -> str:
    try:
        dispatch.request(wanted.pipeline, route, digest=wanted.digest)
    except (InferenceError, HeaderUnreadable) as fault:
        return f"{fault} Then press Try again on the case's page."
    return ""


@lru_cache(maxsize=1024)
def _wanted_of_frozen(protocol_id: int, digest: str, ae_pipeline: str) -> tuple[Wanted, ...]:
    """Of a frozen version, told by its digest: it never changes, so thousands of cases need not read it each."""
    return wanted_of(ProtocolVersion.objects.get(pk=protocol_id).content, ae_pipeline)
