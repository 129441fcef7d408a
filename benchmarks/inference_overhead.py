"""All of a job but its forward pass, on a CT of 324 slices of 512 x 512 with one organ: where the time goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom import Dataset

from benchmarks import exams
from inference import pipeline
from inference.operators.registry import operator
from inference.operators.values import Image, Probability
from inference.timing import OperatorTiming

if TYPE_CHECKING:
    from dicom_ingest.models import Route

SLICES = 324
FORWARD = "bench-forward-pass"
DEFINITION = """\
name: bench-one-organ
version: "1.0.0"
title: One organ
description: What surrounds a network, without the network.
input:
  conditions:
    - when: series.Modality == "CT"
      otherwise: The series is not CT
steps:
  - id: source
    operator: load-volume
    inputs: {series: input}
  - id: turned
    operator: reorient
    inputs: {volume: source}
    parameters: {orientation: LPH}
  - id: coarse
    operator: resample
    inputs: {image: turned}
    parameters: {spacing: "1.5 mm"}
  - id: scaled
    operator: normalise-window
    inputs: {image: coarse}
    parameters: {low: "-160 HU", high: "240 HU"}
  - id: forward
    operator: bench-forward-pass
    inputs: {image: scaled}
  - id: back
    operator: resample-back
    inputs: {volume: forward, reference: source}
  - id: mask
    operator: threshold
    inputs: {probability: back}
  - id: organ
    operator: keep-largest-component
    inputs: {mask: mask}
  - id: volume
    operator: volume-ml
    inputs: {mask: organ}
outputs:
  segments:
    - step: organ
      number: 1
      label: Organ
      category: {value: "91723000", scheme: SCT, meaning: Anatomical Structure}
      type: {value: "10200004", scheme: SCT, meaning: Liver}
      colour: "#b45f06"
  measurements:
    - {step: volume, name: Volume, unit: ml, concept: {value: "118565006", scheme: SCT, meaning: Volume}, segment: 1}
"""


@operator(FORWARD, version="1")
def forward_pass(image: Image) -> Probability:
    """An ellipsoid of a liver's size in place of what a network would say."""
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in image.spatial_shape]
    first, second, third = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (first / 0.5) ** 2 + (second / 0.45) ** 2 + (third / 0.4) ** 2
    return Probability(image.with_array(np.clip(1.5 - inside, 0, 1).astype(np.float32)))


def measure(home: Path) -> dict[str, float]:
    """Seconds of every part, by name; `everything` is their sum without the forward pass. Needs a set-up portal."""
    from dicom_ingest import indexer  # noqa: PLC0415 - after django.setup()
    from dicom_ingest.models import AETitle, Route  # noqa: PLC0415

    AETitle.objects.create(title="ORGAN")
    for file in _slices(home / "ct"):
        indexer.receive_part10(file.read_bytes(), called_ae="ORGAN", calling_ae="BENCH")
    route = Route.objects.select_related("exam").get(called_ae="ORGAN")
    _run(route, version="1.0.0", out=home / "first")  # what is imported and made once
    return _run(route, version="1.0.1", out=home / "second")


def _run(route: Route, *, version: str, out: Path) -> dict[str, float]:
    from inference import engine, orders, results  # noqa: PLC0415 - after django.setup()
    from inference.dispatch import submit  # noqa: PLC0415
    from inference.execution import carry_out  # noqa: PLC0415

    submit(pipeline.parse(DEFINITION.replace("1.0.0", version)), route)
    job = engine.claim_next()
    if job is None:
        raise RuntimeError("the job is not claimable")
    timings: list[OperatorTiming] = []
    began = time.perf_counter()
    report = carry_out(orders.work_order(job, out=out), on_step=timings.append)
    ran = time.perf_counter()
    engine.succeed(job, store_result=lambda: results.store(job, report))
    stored = time.perf_counter()
    seconds = {timing.step: timing.seconds for timing in timings}
    forward = seconds.pop("forward")
    return seconds | {"store": stored - ran, "forward pass": forward, "everything": stored - began - forward}


def _slices(folder: Path) -> list[Path]:
    """A CT of noise with the spacing of a liver's, written once."""
    kind = exams.Kind(modality="CT", sop_class=exams.CT.sop_class, slices=SLICES, values=exams.CT.values)
    exams.make(kind, folder)
    files = sorted(folder.iterdir())
    for file in files:
        _as_a_scanner(pydicom.dcmread(file)).save_as(file)
    return files


def _as_a_scanner(image: Dataset) -> Dataset:
    image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, 0, "HU"
    image.PatientPosition, image.PositionReferenceIndicator, image.ReferringPhysicianName = "HFS", "", ""
    return image
