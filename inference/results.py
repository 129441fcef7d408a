"""A run's report and files as rows and files of the portal."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pydicom
from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from dicom_ingest import indexer
from dicom_ingest import store as ingest_store
from inference import comparisons
from inference.execution import ObjectFile, Report
from inference.models import Finding, Job, Measurement, Result, ResultObject


def store(job: Job, report: Report) -> Result:
    """Keep what `job` made: numbers, findings, and its files, which leave the folder that the run wrote them to.

    Belongs in the transaction that ends the job. Raises `indexer.NotFiled` when a DICOM object cannot be filed, or
    OSError; then no file is left of it either, provided that the transaction is rolled back.
    """
    try:
        return _store(job, report)
    except BaseException:
        _remove_files(job, report)
        raise


def _store(job: Job, report: Report) -> Result:
    result = Result.objects.create(
        job=job, exam=job.exam, is_urgent=report.is_urgent, notes="\n".join(dict.fromkeys(report.notes))
    )
    Measurement.objects.bulk_create(_measurements(result, report))
    Finding.objects.bulk_create(_findings(result, report))
    for file in report.files:
        kept = _keep(result, file)
        if file.kind == "seg":
            result.segmentation = kept.series
    result.save(update_fields=["segmentation"])
    if job.is_rerun:
        _set_aside(result)
    transaction.on_commit(comparisons.hint)
    return result


def folder_of(result: Result) -> Path:
    """Where the files of a result lie that are not DICOM."""
    return _folder(result.job_id)


def _set_aside(result: Result) -> None:
    """Hide the series of a rerun's result as those of a superseded one are: it counts for nobody."""
    Result.objects.filter(pk=result.pk).series().filter(superseded_at=None).update(superseded_at=now())


def _measurements(result: Result, report: Report) -> Iterator[Measurement]:
    for measured in report.measurements:
        yield Measurement(
            result=result,
            name=measured.name,
            value=measured.value,
            unit=measured.unit,
            structure=measured.structure,
            alert_change_percent=measured.alert_change_percent,
        )


def _findings(result: Result, report: Report) -> Iterator[Finding]:
    for box in report.boxes:
        yield Finding(
            result=result,
            kind=Finding.Kind.BOX,
            name=box.region,
            label=box.finding,
            probability=box.probability,
            probabilities=dict(box.probabilities),
            sop_instance_uid=box.sop_instance_uid,
            top=box.top,
            left=box.left,
            bottom=box.bottom,
            right=box.right,
        )
    for one in report.classifications:
        yield Finding(
            result=result,
            kind=Finding.Kind.CLASS,
            name=one.name,
            label=one.label,
            probability=one.probabilities[one.label],
            probabilities=dict(one.probabilities),
            sop_instance_uid=next(iter(one.sop_instance_uids), ""),
        )


def _keep(result: Result, file: ObjectFile) -> ResultObject:
    written = ResultObject(
        result=result,
        kind=file.kind,
        sha256=_sha256(file.path),
        bytes=file.path.stat().st_size,
        description=file.description,
    )
    if file.kind == "nifti":
        written.path = str(_link(file.path, folder_of(result)).relative_to(settings.OVERREAD_STORE))
    else:
        written.series = indexer.file_derived(pydicom.dcmread(file.path), exam=result.exam).series
    written.save()
    return written


def _remove_files(job: Job, report: Report) -> None:
    """Remove what may lie in the store already of a result that could not be stored. Its UIDs are its job's alone."""
    for file in report.files:
        if file.kind != "nifti":
            uid = pydicom.dcmread(file.path, stop_before_pixels=True).SeriesInstanceUID
            shutil.rmtree(ingest_store.series_folder(job.exam.study_instance_uid, uid), ignore_errors=True)
    shutil.rmtree(_folder(job.pk), ignore_errors=True)


def _folder(job_id: UUID) -> Path:
    return Path(settings.OVERREAD_STORE) / "results" / str(job_id)


def _link(file: Path, folder: Path) -> Path:
    """Have the file in `folder` as well; it stays where it is, for another attempt to store it."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / file.name
    kept.unlink(missing_ok=True)
    kept.hardlink_to(file)
    return kept


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
