"""How long after an exam is complete its job starts, on an idle system: `python -m benchmarks.inference_latency`.

The portal's own processes do all of it: the scheduler completes the exam when it is quiet, a worker gives it to its
pipeline, and the gpu worker takes the job. Exams come one at a time, each when the last one's job has ended. An exam is
complete at the scheduler's first look after its quiet period; the wait for that look is told beside.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pydicom
from rich.console import Console

from benchmarks import exams
from benchmarks.dicomweb_ours import environment
from portal.demo import engines, supervisor

RESULT = Path(__file__).parent / "results" / "inference_latency.json"
EXAMS = 50
TARGET_SECONDS = 0.5
QUIET_SECONDS = 1
_AE = "BENCH"
_BRAIN = exams.Kind(modality="MR", sop_class=exams.MR.sop_class, slices=30, values=(0, 1500), rows=64)
_PROGRAMS = {"worker-gpu", "worker-ingest", "scheduler"}
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Seconds to the start of an exam's job: from the exam's completion, and from the end of its quiet period."""

    from_complete: float
    from_quiet: float


def main() -> None:
    """Measure, print and write the file."""
    console = Console()
    number = int(sys.argv[1]) if sys.argv[1:] else EXAMS
    load = os.getloadavg()
    if load[0] > (os.cpu_count() or 1) / 2:
        console.print(f"[yellow]This machine is busy (load {load[0]:.1f}): the figures will be of the load.[/]")
    with tempfile.TemporaryDirectory(prefix="bench-latency-") as folder:
        waits = _measure(Path(folder), number)
    figures = {
        "exams": number,
        "from_complete": _in_short([wait.from_complete for wait in waits]),
        "from_quiet": _in_short([wait.from_quiet for wait in waits]),
        "target_p95_seconds_from_complete": TARGET_SECONDS,
        "load_before": load,
        "load_after": os.getloadavg(),
        "cores": os.cpu_count(),
    }
    console.print(figures)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")


def _in_short(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median_seconds": round(statistics.median(ordered), 3),
        "p95_seconds": round(ordered[int(len(ordered) * 0.95)], 3),
        "max_seconds": round(ordered[-1], 3),
    }


def _measure(home: Path, number: int) -> list[Wait]:
    with engines.running(home) as started:
        os.environ.update(started.environment | environment(home, port=0))
        import django  # noqa: PLC0415 - needs the settings above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        from dicom_ingest.models import AETitle  # noqa: PLC0415

        AETitle.objects.create(title=_AE, pipeline="brain-extraction", quiet_period_seconds=QUIET_SECONDS)
        programs = tuple(program for program in supervisor.PROGRAMS if program.name in _PROGRAMS)
        with supervisor.running(home, programs):
            waits = [_one(home / str(exam)) for exam in range(number + 1)]
    return waits[1:]  # the first one waits for the processes to start


def _one(folder: Path) -> Wait:
    """Receive one small exam and wait for its job, which starts and then fails for want of a model."""
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
            quiet = job.route.last_instance_at + timedelta(seconds=QUIET_SECONDS)
            return Wait(
                from_complete=(job.started_at - job.route.completed_at).total_seconds(),
                from_quiet=(job.started_at - quiet).total_seconds(),
            )
        time.sleep(_POLL_SECONDS)
    sys.exit(f"The job of {folder} did not end within {_WAIT_SECONDS} s.")


if __name__ == "__main__":
    main()
