"""One job, from its series' files to its stored result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error, connection
from pydicom import Dataset

from dicom_ingest import indexer, store
from dicom_ingest.models import Instance
from inference import engine, graph
from inference.engine import LeaseLost
from inference.errors import InferenceError, InstallationFault, OperatorFailed
from inference.graph import OperatorTiming, Outputs
from inference.models import Job, Measurement, OperatorRun, Result
from inference.operators.values import SourceSeries
from inference.schema import Pipeline
from inference.writers.seg import Identity, write_segmentation

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
    definition = Pipeline.model_validate(job.pipeline.definition, strict=False)
    _check_code(job, definition)
    source = SourceSeries.from_files(_files(job))
    outputs = graph.execute(
        definition, source, models_dir=settings.OVERREAD_STORE / "models", on_step=_Recorder(job).record
    )
    segmentation = _segmentation(job, definition, source, outputs)
    engine.succeed(job, store_result=lambda: _store(job, segmentation, outputs))


def _check_code(job: Job, definition: Pipeline) -> None:
    if definition.digest != job.pipeline.digest:
        raise InstallationFault(
            f"The job was made for {job.pipeline}, but this worker's operators are of another version "
            f"({definition.digest[:12]}). Restart the worker with the release that the job was made by."
        )


def _files(job: Job) -> list[Path]:
    instances = Instance.objects.filter(series=job.input_series).select_related("series__exam")
    return [
        store.instance_path(
            instance.series.exam.study_instance_uid, instance.series.series_instance_uid, instance.sop_instance_uid
        )
        for instance in instances
    ]


def _segmentation(job: Job, definition: Pipeline, source: SourceSeries, outputs: Outputs) -> Dataset | None:
    if not outputs.masks:
        return None
    identity = Identity(salt=settings.OVERREAD_UID_SALT, run=str(job.pk))
    return write_segmentation(source, outputs.masks, definition, identity=identity)


def _store(job: Job, segmentation: Dataset | None, outputs: Outputs) -> None:
    filed = indexer.file_derived(segmentation, exam=job.exam) if segmentation is not None else None
    result = Result.objects.create(job=job, exam=job.exam, segmentation=filed.series if filed else None)
    Measurement.objects.bulk_create(
        Measurement(
            result=result,
            name=measured.name,
            value=measured.value,
            unit=measured.unit,
            alert_change_percent=measured.alert_change_percent,
        )
        for measured in outputs.measurements
    )


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
