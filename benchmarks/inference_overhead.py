"""All of a job but its forward pass, on a CT of 324 slices of 512 x 512 with one organ: where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import exams, inference_jobs
from inference.operators.registry import operator
from inference.operators.values import Image, Probability

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
    return Probability(image.with_array(inference_jobs.ellipsoid(image.spatial_shape)))


def measure(home: Path) -> dict[str, float]:
    """Seconds of every part, by name; `everything` is their sum without the forward pass. Needs a set-up portal."""
    kind = exams.Kind(modality="CT", sop_class=exams.CT.sop_class, slices=SLICES, values=exams.CT.values)
    route, _ = inference_jobs.received(inference_jobs.scan(kind, home / "ct"), ae_title="ORGAN")
    _run(route, version="1.0.0", out=home / "first")  # what is imported and made once
    return _run(route, version="1.0.1", out=home / "second")


def _run(route: Route, *, version: str, out: Path) -> dict[str, float]:
    done = inference_jobs.run(DEFINITION.replace("1.0.0", version), route, out=out)
    steps = done.steps
    forward = steps.pop("forward")
    return steps | {"store": done.storing, "forward pass": forward, "everything": done.total - forward}
