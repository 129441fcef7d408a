"""One job, from its series' files to its stored result."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error, connection

from inference import engine, orders, results
from inference.engine import LeaseLost
from inference.errors import InferenceError, OperatorFailed
from inference.execution import carry_out
from inference.models import Job, OperatorRun
from inference.timing import OperatorTiming

logger = logging.getLogger(__name__)

BYTES_PER_MIB = 1024**2
RENEWALS_PER_LEASE = 4


def run_next() -> bool:
    """Run the job that has waited longest; when it has ended, wake a worker for the next. False when none waited."""
    job = engine.claim_next()
    if job is None:
        return False
    run(job)
    if Job.objects.claimable().exists():
        engine.hint()
    return True


def run(job: Job) -> None:
    """Run a claimed job to its end. Whatever happens, the job ends, goes back to the queue, or was taken from us."""
    try:
        with _kept_alive(job):
            _execute(job)
    except LeaseLost as lost:
        logger.warning("%s Its work is dropped.", lost)
    except InferenceError as fault:
        logger.warning("Job %s failed: %s", job.pk, type(fault).__name__)
        _leave(job, _sentence(fault), final=_is_permanent(fault))
    except Exception as fault:
        # A full disk, a lost database, a defect: none may leave the job running. Kept on the job, raised for the log.
        _leave(job, _sentence(fault), final=False)
        raise


def _execute(job: Job) -> None:
    with tempfile.TemporaryDirectory(dir=_scratch(), prefix=f"{job.pk}-") as out:
        report = carry_out(orders.work_order(job, out=Path(out)), on_step=_Recorder(job).record)
        engine.succeed(job, store_result=lambda: results.store(job, report))


def _scratch() -> Path:
    """Where files lie until their result is stored: beside the store, so that moving them there is a rename."""
    folder = Path(settings.OVERREAD_STORE) / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Recorder:
    """Writes each operator's time to the job as it ends, and stops the run once the job is no longer ours."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._position = 0

    def record(self, timing: OperatorTiming) -> None:
        engine.renew(self._job)
        self._position += 1
        OperatorRun.objects.create(
            job=self._job,
            position=self._position,
            step=timing.step,
            operator=timing.operator,
            started=timing.started,
            seconds=timing.seconds,
            peak_memory_mb=timing.peak_bytes / BYTES_PER_MIB,
        )


@contextmanager
def _kept_alive(job: Job) -> Iterator[None]:
    """Renew the job's lease from a thread, because one operator may take longer than a lease lasts."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(job, ended), name=f"lease of {job.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew_until(job: Job, ended: threading.Event) -> None:
    try:
        while not ended.wait(settings.JOB_LEASE_SECONDS / RENEWALS_PER_LEASE):
            try:
                engine.renew(job)
            except LeaseLost:
                return  # the run itself notices at its next step
            except Error as fault:
                logger.warning("The lease of job %s could not be renewed yet: %s", job.pk, fault)
                connection.close()
    finally:
        connection.close()


def _leave(job: Job, reason: str, *, final: bool) -> None:
    try:
        if final:
            engine.fail(job, reason)
        else:
            engine.give_back(job, reason)
    except LeaseLost as lost:
        logger.warning("%s Its failure is dropped: %s", lost, reason)


def _is_permanent(fault: InferenceError) -> bool:
    ran_too_long = isinstance(fault, OperatorFailed) and isinstance(fault.cause, SoftTimeLimitExceeded)
    return fault.is_permanent or ran_too_long


def _sentence(fault: Exception) -> str:
    if isinstance(fault, InferenceError):
        return str(fault)
    return f"{type(fault).__name__}: {fault}. This is a fault of the portal, not of the exam."
