"""Jobs that always end: claimed on a lease, run, retaken when their worker dies, and stopped from outside.

The database is the truth. A message to a worker is only a hint that something waits; a worker takes the job whose
turn it is.
"""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from dicom_ingest.models import Series
from inference.models import Job, JobQuerySet

logger = logging.getLogger(__name__)

State = Job.State
WORK = "inference.tasks.run_next_job"
HINTS_PER_SWEEP = 4


class LeaseLost(Exception):
    """The job is no longer this worker's: it was cancelled, superseded, or retaken after a missed renewal."""


def hint() -> None:
    """Wake a worker. Without a broker nothing is lost: the next sweep hints again."""
    try:
        current_app.send_task(WORK, queue="gpu", expires=60, retry=False)
    except OperationalError as fault:
        logger.warning("The broker cannot be reached (%s); the sweeper will wake a worker later.", fault)


def claim_next() -> Job | None:
    """Take the job whose turn it is, or None when nothing waits. Two workers never take the same one."""
    with transaction.atomic():
        job = Job.objects.claimable().in_turn().select_for_update(skip_locked=True).first()
        if job is None:
            return None
        job.state = State.RUNNING
        job.worker = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        job.attempts += 1
        job.started_at = now()
        job.lease_expires_at = _lease()
        job.operators.all().delete()
        job.save(update_fields=["state", "worker", "attempts", "started_at", "lease_expires_at"])
    return job


def renew(job: Job) -> None:
    """Keep the job for another lease. Raises LeaseLost when it is no longer this worker's."""
    if not _still_ours(job).update(lease_expires_at=_lease()):
        raise LeaseLost(f"Job {job.pk} was taken from {job.worker}.")


def succeed(job: Job, store_result: Callable[[], object]) -> None:
    """End the job as succeeded together with its result, or not at all.

    Raises LeaseLost when the job is no longer this worker's; then nothing is stored.
    """
    with transaction.atomic():
        _end(job, State.SUCCEEDED)
        store_result()


def fail(job: Job, reason: str, *, log: str = "") -> None:
    """End the job as failed, for a reason that another attempt would meet again."""
    with transaction.atomic():
        _end(job, State.FAILED, reason=reason, log=log)


def give_back(job: Job, reason: str, *, log: str = "") -> None:
    """Let the job be tried again, or end it as failed when it has no attempt left."""
    if job.attempts >= job.max_attempts:
        fail(job, f"{reason} It was tried {job.attempts} times.", log=log)
        return
    _still_ours(job).update(state=State.QUEUED, reason=reason, log=log, lease_expires_at=None)
    hint()


def supersede_older(job: Job) -> None:
    """Mark older jobs of the same pipeline on the same exam, and the series they made, as superseded by `job`."""
    older = Job.objects.filter(exam=job.exam, pipeline__name=job.pipeline.name).exclude(pk=job.pk)
    # Jobs first: this waits for one that is just ending, so that its series is seen by the line after.
    older.exclude(state=State.SUPERSEDED).update(state=State.SUPERSEDED, superseded_by=job, lease_expires_at=None)
    Series.objects.filter(results__job__in=older, superseded_at=None).update(superseded_at=now())


def cancel(job_id: uuid.UUID) -> bool:
    """Stop a queued or running job; False when it had already ended. A running one stops after its current step."""
    cancellable = Job.objects.filter(pk=job_id, state__in=[State.QUEUED, State.RUNNING])
    ended = cancellable.update(
        state=State.CANCELLED, reason="Cancelled by hand.", finished_at=now(), lease_expires_at=None
    )
    return bool(ended)


def retry(job_id: uuid.UUID) -> bool:
    """Queue a failed or cancelled job again with fresh attempts; False when it was neither."""
    ended = Job.objects.filter(pk=job_id, state__in=[State.FAILED, State.CANCELLED])
    queued = ended.update(state=State.QUEUED, attempts=0, reason="", log="", started_at=None, finished_at=None)
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
    for _ in range(min(waiting, HINTS_PER_SWEEP)):
        hint()
    return waiting


def _end(job: Job, state: Job.State, *, reason: str = "", log: str = "") -> None:
    ended = _still_ours(job).update(state=state, reason=reason, log=log, finished_at=now(), lease_expires_at=None)
    if not ended:
        raise LeaseLost(f"Job {job.pk} was taken from {job.worker}.")


def _still_ours(job: Job) -> JobQuerySet:
    return Job.objects.filter(pk=job.pk, state=State.RUNNING, worker=job.worker)


def _lease() -> datetime:
    return now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
