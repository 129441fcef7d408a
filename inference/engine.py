"""Jobs that always end: claimed on a lease, run, retaken when their worker dies, and stopped from outside.

The database is the truth. A message to a worker is only a hint that something waits; a worker takes the job whose
turn it is.
"""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min
from django.db.models.functions import Coalesce, Greatest
from django.utils.timezone import now

from dicom_ingest.models import AETitle
from inference.models import Job, JobQuerySet, PipelineLimits, Result
from portal import tasks
from portal.audit import trail
from portal.audit.actions import Action

logger = logging.getLogger(__name__)

State = Job.State
WORK = "inference.tasks.run_next_job"
HINTS_PER_SWEEP = 4
LONGEST_PAUSE_SECONDS = 600.0
BOUNDLESS = 1_000_000


@dataclass(frozen=True)
class Trace:
    """What an attempt left to look at: the end of its process's log, and that process's largest memory, MiB."""

    log: str = ""
    peak_memory_mb: float | None = None


NO_TRACE = Trace()


class LeaseLost(Exception):
    """The job is no longer this worker's: it was cancelled, superseded, or retaken after a missed renewal."""


def hint() -> None:
    """Wake a worker. Without a broker nothing is lost: the next sweep hints again."""
    tasks.hint(WORK, queue="gpu")


def claim_next() -> Job | None:
    """Take the job whose turn it is, or None when none may run.

    Two workers never take the same one, and together they never take more of a pipeline than its limits allow.
    """
    closed: set[str] = set()
    with transaction.atomic():
        while True:
            waiting = Job.objects.claimable().exclude(pipeline__name__in=closed).in_turn().select_related("pipeline")
            job = waiting.select_for_update(of=("self",), skip_locked=True).first()
            if job is None:
                return None
            if _room(job.pipeline.name, beside=job) > 0:
                _claim(job)
                return job
            closed.add(job.pipeline.name)


def claim_together(first: Job) -> list[Job]:
    """Take those waiting jobs that may run beside `first`, just claimed, in one process.

    They are of the same pipeline in the same version, as many as its limits say. A job that was tried before runs
    alone, so that what ended a process is known.
    """
    if first.attempts > 1:
        return []
    with transaction.atomic():
        limits = PipelineLimits.objects.filter(name=first.pipeline.name).first()
        more = min((limits.batch_size if limits else 1) - 1, _room(first.pipeline.name, beside=None))
        if more < 1:
            return []
        waiting = Job.objects.claimable().filter(pipeline=first.pipeline, state=State.QUEUED, attempts=0).in_turn()
        jobs = list(waiting.select_related("pipeline").select_for_update(of=("self",), skip_locked=True)[:more])
        for job in jobs:
            _claim(job)
    return jobs


def renew(job: Job, *, log: str = "") -> None:
    """Keep the job for another lease. Raises LeaseLost when it is no longer this worker's."""
    if not _still_ours(job).update(lease_expires_at=_lease(), log=log):
        raise LeaseLost(f"Job {job.pk} was taken from {job.worker}.")


def is_lost(job: Job) -> bool:
    """Whether the job is no longer this worker's."""
    return not _still_ours(job).exists()


def succeed(job: Job, store_result: Callable[[], object], *, trace: Trace = NO_TRACE) -> None:
    """End the job as succeeded together with its result, or not at all.

    Raises LeaseLost when the job is no longer this worker's; then nothing is stored.
    """
    with transaction.atomic():
        _end(job, State.SUCCEEDED, trace=trace)
        store_result()


def fail(job: Job, reason: str, *, trace: Trace = NO_TRACE) -> None:
    """End the job as failed, for a reason that another attempt would meet again."""
    _end(job, State.FAILED, reason=reason, trace=trace)


def give_back(job: Job, reason: str, *, trace: Trace = NO_TRACE) -> None:
    """Let the job be tried again after a while, or end it as failed when it has no attempt left.

    The pause doubles from attempt to attempt.
    """
    if job.attempts >= job.max_attempts:
        fail(job, f"{reason} It was tried {job.attempts} times.", trace=trace)
        return
    pause = min(settings.OVERREAD_JOB_BACKOFF_SECONDS * 2 ** (job.attempts - 1), LONGEST_PAUSE_SECONDS)
    again = now() + timedelta(seconds=pause)
    _move(job, State.QUEUED, not_before=again, reason=reason, trace=trace)


def note(job: Job, trace: Trace) -> None:
    """Keep what is known of an attempt that was taken from its worker by hand, unless another attempt has begun."""
    Job.objects.filter(pk=job.pk, worker=job.worker, state=State.CANCELLED).update(
        log=trace.log, peak_memory_mb=trace.peak_memory_mb
    )


def supersede_older(job: Job) -> None:
    """Mark older jobs of the same pipeline on the same exam, and the series they made, as superseded by `job`.

    A rerun counts for nobody: none is superseded, and none supersedes.
    """
    if job.is_rerun:
        return
    older = Job.objects.filter(exam=job.exam, pipeline__name=job.pipeline.name, rerun_of=None).exclude(pk=job.pk)
    # Jobs first: this waits for one that is just ending, so that its series is seen by the line after.
    older.exclude(state=State.SUPERSEDED).update(state=State.SUPERSEDED, superseded_by=job, lease_expires_at=None)
    Result.objects.filter(job__in=older).series().filter(superseded_at=None).update(superseded_at=now())


def cancel(job_id: uuid.UUID) -> bool:
    """Stop a queued or running job; False when it had already ended. The process of a running one is killed."""
    cancellable = Job.objects.filter(pk=job_id, state__in=Job.CANCELLABLE)
    with transaction.atomic():
        ended = cancellable.update(
            state=State.CANCELLED, reason="Cancelled by hand.", finished_at=now(), lease_expires_at=None
        )
        if ended:
            _note(Action.JOB_CANCELLED, job_id)
    return bool(ended)


def retry(job_id: uuid.UUID) -> bool:
    """Queue a failed or cancelled job again with fresh attempts; False when it was neither."""
    ended = Job.objects.filter(pk=job_id, state__in=Job.RETRYABLE)
    with transaction.atomic():
        queued = ended.update(
            state=State.QUEUED, attempts=0, reason="", log="", not_before=None, started_at=None, finished_at=None
        )
        if queued:
            _note(Action.JOB_RETRIED, job_id)
    if queued:
        hint()
    return bool(queued)


def sweep() -> int:
    """Find work that no message will bring: fail jobs whose workers died too often, hint for the rest.

    Returns how many jobs wait for a worker.
    """
    exhausted = Job.objects.exhausted().update(
        state=State.FAILED,
        finished_at=now(),
        lease_expires_at=None,
        reason=(
            "Its worker died or hung on every attempt, most likely for want of memory. "
            "Look at the worker's log, then retry the job."
        ),
    )
    if exhausted:
        logger.error("%d jobs failed because their workers died on every attempt.", exhausted)
    waiting = Job.objects.claimable().count()
    _warn_of_long_waits()
    for _ in range(min(waiting, HINTS_PER_SWEEP)):
        hint()
    return waiting


def longest_wait() -> timedelta:
    """For how long the job that waits longest could have run; batch jobs and paused pipelines are not counted."""
    paused = PipelineLimits.objects.filter(is_paused=True).values("name")
    waiting = Job.objects.claimable().exclude(priority=AETitle.Priority.BATCH).exclude(pipeline__name__in=paused)
    due = waiting.aggregate(since=Min(Greatest("created_at", Coalesce("not_before", "created_at"))))["since"]
    return now() - due if due else timedelta(0)


def _warn_of_long_waits() -> None:
    waited = longest_wait()
    if waited > timedelta(seconds=settings.OVERREAD_MAX_WAIT_SECONDS):
        logger.warning(
            "A job has waited for %.0f s: see that enough workers of the queue gpu run.", waited.total_seconds()
        )


def _note(action: Action, job_id: uuid.UUID) -> None:
    exam = Job.objects.values_list("exam__study_instance_uid", flat=True).get(pk=job_id)
    trail.record_on_exam(action, exam=exam, of=str(job_id))


def _room(pipeline: str, *, beside: Job | None) -> int:
    """How many more jobs of a pipeline may run now, `beside` (whose worker may have died) not counted.

    Until the transaction ends, nobody else takes one of them.
    """
    limits = PipelineLimits.objects.select_for_update().filter(name=pipeline).first()
    if limits is None or (limits.concurrency is None and not limits.is_paused):
        return BOUNDLESS
    if limits.is_paused or limits.concurrency is None:
        return 0
    running = Job.objects.filter(pipeline__name=pipeline, state=State.RUNNING)
    return limits.concurrency - running.exclude(pk__in=[beside.pk] if beside else []).count()


def _claim(job: Job) -> None:
    job.state = State.RUNNING
    job.worker = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    job.attempts += 1
    job.started_at = now()
    job.lease_expires_at = _lease()
    job.not_before = job.peak_memory_mb = None
    job.log = ""
    job.operators.all().delete()
    job.save(
        update_fields=[
            "state", "worker", "attempts", "started_at", "lease_expires_at", "not_before", "peak_memory_mb", "log"
        ]
    )  # fmt: skip


def _end(job: Job, state: Job.State, *, reason: str = "", trace: Trace) -> None:
    _move(job, state, reason=reason, finished_at=now(), trace=trace)


def _move(job: Job, state: Job.State, *, trace: Trace, **fields: object) -> None:
    moved = _still_ours(job).update(
        state=state, lease_expires_at=None, log=trace.log, peak_memory_mb=trace.peak_memory_mb, **fields
    )
    if not moved:
        raise LeaseLost(f"Job {job.pk} was taken from {job.worker}.")


def _still_ours(job: Job) -> JobQuerySet:
    return Job.objects.filter(pk=job.pk, state=State.RUNNING, worker=job.worker)


def _lease() -> datetime:
    return now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
