"""Single jobs in a portal of the benchmark's own: a scan that looks like a scanner's, its receipt, and a timed run."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from numpy.typing import NDArray

from benchmarks import exams
from benchmarks.dicomweb_ours import environment
from inference import pipeline
from inference.timing import OperatorTiming
from portal.demo import engines

if TYPE_CHECKING:
    from dicom_ingest.models import Route


@dataclass(frozen=True)
class Run:
    """Seconds of one job, and the timings of its steps, of which some run at once."""

    timings: list[OperatorTiming]
    storing: float
    total: float

    @property
    def steps(self) -> dict[str, float]:
        """Seconds of every step by its name, loading of models and writing of files among them."""
        return {timing.step: timing.seconds for timing in self.timings}

    def busy_with(self, steps: Collection[str]) -> float:
        """Seconds in which at least one of `steps` ran."""
        busy = until = 0.0
        for timing in sorted(self.timings, key=lambda timing: timing.started):
            if timing.step in steps:
                ended = timing.started + timing.seconds
                busy += max(0.0, ended - max(until, timing.started))
                until = max(until, ended)
        return busy


@contextmanager
def portal(home: Path) -> Iterator[None]:
    """PostgreSQL and Valkey under `home`, and Django set up on a database with the portal's tables."""
    with engines.running(home) as started:
        os.environ.update(started.environment | environment(home, port=0))
        import django  # noqa: PLC0415 - needs the settings above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        yield


def scan(kind: exams.Kind, folder: Path) -> list[Path]:
    """A scan of noise with what a scanner says of itself, which writers of results ask for."""
    exams.make(kind, folder)
    files = sorted(folder.iterdir())
    for file in files:
        image = pydicom.dcmread(file)
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, 0, "HU" if kind.modality == "CT" else "US"
        image.PatientPosition, image.PositionReferenceIndicator, image.ReferringPhysicianName = "HFS", "", ""
        image.save_as(file)
    return files


def received(files: Sequence[Path], *, ae_title: str) -> tuple[Route, float]:
    """File the exam as if it had come to a new AE title; its route, and the seconds that it took."""
    from dicom_ingest import indexer  # noqa: PLC0415 - after django.setup()
    from dicom_ingest.models import AETitle, Route  # noqa: PLC0415

    AETitle.objects.create(title=ae_title)
    began = time.perf_counter()
    for file in files:
        outcome = indexer.receive_part10(file.read_bytes(), called_ae=ae_title, calling_ae="BENCH")
        if outcome.instance is None:
            raise RuntimeError(f"{file.name} was not filed: {outcome.quarantined}")
    seconds = time.perf_counter() - began
    return Route.objects.select_related("exam").get(called_ae=ae_title), seconds


def run(definition: str, route: Route, *, out: Path) -> Run:
    """Carry out one job of a pipeline in this process and store its result."""
    from inference import engine, orders, results  # noqa: PLC0415 - after django.setup()
    from inference.dispatch import submit  # noqa: PLC0415
    from inference.execution import carry_out  # noqa: PLC0415

    submit(pipeline.parse(definition), route)
    job = engine.claim_next()
    if job is None:
        raise RuntimeError("the job is not claimable")
    timings: list[OperatorTiming] = []
    began = time.perf_counter()
    report = carry_out(orders.work_order(job, out=out), on_step=timings.append)
    ran = time.perf_counter()
    engine.succeed(job, store_result=lambda: results.store(job, report))
    stored = time.perf_counter()
    return Run(timings, storing=stored - ran, total=stored - began)


def ellipsoid(shape: Sequence[int]) -> NDArray[np.float32]:
    """Probabilities of an organ of a liver's size in the middle of a volume."""
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in shape]
    first, second, third = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (first / 0.5) ** 2 + (second / 0.45) ** 2 + (third / 0.4) ** 2
    return np.asarray(np.clip(1.5 - inside, 0, 1), dtype=np.float32)
