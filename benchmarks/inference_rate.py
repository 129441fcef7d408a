"""Radiograph exams of five images through the portal's own processes: how many an hour, and what memory they leave."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from portal.demo import supervisor
from portal.demo.xray_exams import CAST, write_exam

PROGRAMS = {"worker-gpu", "worker-ingest", "scheduler"}
AE_TITLE = "HIP"
EXAMS = 200
FIRST = 30
_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What a run of exams showed. Times in seconds; memory is the child's largest during a job, MiB."""

    exams: int
    first_thirty_seconds: float
    exams_an_hour: float
    waiting_at_the_end: int
    failed: int
    loads_after_the_first: float
    memory_early: float
    memory_late: float


def measure(home: Path, exams: int = EXAMS) -> Rate:
    """Receive `exams` copies of a five-image hip exam and wait for their jobs. Needs a set-up portal with models."""
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup()

    from dicom_ingest.models import AETitle  # noqa: PLC0415

    call_command("pipelines", "fetch", "hip-fracture", stdout=sys.stderr)
    AETitle.objects.create(title=AE_TITLE, pipeline="hip-fracture", quiet_period_seconds=1)
    exam = write_exam(CAST[0], None, home / "exams", lambda label, done, total: None)
    files = sorted(exam.folder.glob("*.dcm"))
    programs = tuple(program for program in supervisor.PROGRAMS if program.name in PROGRAMS)
    with supervisor.running(home, programs):
        _wait_for(_receive_one(files))  # the processes are up
        began = time.monotonic()
        for _ in range(exams):
            _receive_one(files)
        return _followed(exams, began)


def _receive_one(files: list[Path]) -> int:
    """File a copy of the exam under UIDs of its own; returns how many exams there are now."""
    from dicom_ingest import indexer  # noqa: PLC0415 - after django.setup()
    from dicom_ingest.models import Exam  # noqa: PLC0415

    study, series = generate_uid(), defaultdict[int, str](generate_uid)
    for file in files:
        image = pydicom.dcmread(file)
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series[image.SeriesNumber]
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.save_as(scratch := file.with_suffix(".copy"))
        outcome = indexer.receive_part10(scratch.read_bytes(), called_ae=AE_TITLE, calling_ae="BENCH")
        if outcome.instance is None:
            sys.exit(f"A copy of {file.name} was not filed: {outcome.quarantined}")
    return Exam.objects.count()


def _wait_for(ended: int) -> None:
    from inference.models import Job  # noqa: PLC0415 - after django.setup()

    deadline = time.monotonic() + _SECONDS
    while Job.objects.filter(finished_at__isnull=False).count() < ended:
        if time.monotonic() > deadline:
            sys.exit(f"{ended} jobs did not end within {_SECONDS} s.")
        time.sleep(0.2)


def _followed(exams: int, began: float) -> Rate:
    from inference.models import Job, OperatorRun  # noqa: PLC0415 - after django.setup()
    from inference.timing import LOADING  # noqa: PLC0415

    _wait_for(1 + FIRST)
    first = time.monotonic() - began
    _wait_for(1 + exams)
    seconds = time.monotonic() - began
    jobs = list(Job.objects.order_by("finished_at"))
    memory = [job.peak_memory_mb or 0.0 for job in jobs]
    loads = OperatorRun.objects.filter(step=LOADING).exclude(job=jobs[0]).values_list("seconds", flat=True)
    return Rate(
        exams=exams,
        first_thirty_seconds=first,
        exams_an_hour=3600 * exams / seconds,
        waiting_at_the_end=Job.objects.claimable().count(),
        failed=sum(job.state != Job.State.SUCCEEDED for job in jobs),
        loads_after_the_first=max(loads, default=0.0),
        memory_early=max(memory[5:25]),
        memory_late=max(memory[-20:]),
    )
