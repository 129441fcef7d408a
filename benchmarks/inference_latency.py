"""How long after an exam is complete its job starts, on an idle system: `python -m benchmarks.inference_latency`.

The portal's own processes do all of it: the scheduler completes the exam when it is quiet, a worker gives it to its
pipeline, and the gpu worker takes the job. Exams come one at a time, each when the last one's job has ended.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pydicom
from rich.console import Console

from benchmarks import exams
from benchmarks.dicomweb_ours import environment
from portal.demo import engines, supervisor

RESULT = Path(__file__).parent / "results" / "inference_latency.json"
EXAMS = 50
TARGET_SECONDS = 0.5
_AE = "BENCH"
_BRAIN = exams.Kind(modality="MR", sop_class=exams.MR.sop_class, slices=30, values=(0, 1500), rows=64)
_PROGRAMS = {"worker-gpu", "worker-ingest", "scheduler"}
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.05


def main() -> None:
    """Measure, print and write the file."""
    console = Console()
    number = int(sys.argv[1]) if sys.argv[1:] else EXAMS
    load = os.getloadavg()
    if load[0] > (os.cpu_count() or 1) / 2:
        console.print(f"[yellow]This machine is busy (load {load[0]:.1f}): the figures will be of the load.[/]")
    with tempfile.TemporaryDirectory(prefix="bench-latency-") as folder:
        seconds = sorted(_measure(Path(folder), number))
    figures = {
        "exams": number,
        "median_seconds": round(statistics.median(seconds), 3),
        "p95_seconds": round(seconds[int(len(seconds) * 0.95)], 3),
        "max_seconds": round(seconds[-1], 3),
        "target_p95_seconds": TARGET_SECONDS,
        "load_before": load,
        "load_after": os.getloadavg(),
        "cores": os.cpu_count(),
    }
    console.print(figures)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")


def _measure(home: Path, number: int) -> list[float]:
    with engines.running(home) as started:
        os.environ.update(started.environment | environment(home, port=0))
        import django  # noqa: PLC0415 - needs the settings above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        from dicom_ingest.models import AETitle  # noqa: PLC0415

        AETitle.objects.create(title=_AE, pipeline="brain-extraction", quiet_period_seconds=1)
        programs = tuple(program for program in supervisor.PROGRAMS if program.name in _PROGRAMS)
        with supervisor.running(home, programs):
            seconds = [_one(home / str(exam)) for exam in range(number + 1)]
    return seconds[1:]  # the first one waits for the processes to start


def _one(folder: Path) -> float:
    """Receive one small exam; seconds from its completion to the start of its job, which fails for want of a model."""
    from dicom_ingest import indexer  # noqa: PLC0415
    from inference.models import Job  # noqa: PLC0415

    exam = exams.make(_BRAIN, folder)
    for file in sorted(folder.iterdir()):
        image = pydicom.dcmread(file)
        image.SeriesDescription = "AX T1"
        image.save_as(file)
        indexer.receive_part10(file.read_bytes(), called_ae=_AE, calling_ae=_AE)
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        jobs = Job.objects.filter(exam__study_instance_uid=exam.study, finished_at__isnull=False)
        job = jobs.select_related("route").first()
        if job and job.started_at and job.route and job.route.completed_at:
            return (job.started_at - job.route.completed_at).total_seconds()
        time.sleep(_POLL_SECONDS)
    sys.exit(f"The job of {folder} did not end within {_WAIT_SECONDS} s.")


if __name__ == "__main__":
    main()
