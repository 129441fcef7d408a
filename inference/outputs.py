"""What a pipeline's outputs are, once its steps have run: values under the names and codes of the definition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.errors import OperatorContractBroken
from inference.operators.values import Box, Boxes, Classification, Labels, Mask, Measurement
from inference.schema import ClassificationOutput, Code, MeasurementOutput, Pipeline, SegmentOutput, Triage


@dataclass(frozen=True)
class MeasuredValue:
    """A measurement with what the pipeline's definition says of it. structure: the label of its segment, or nothing."""

    name: str
    value: float
    unit: str
    concept: Code
    segment: int | None
    structure: str
    alert_change_percent: float | None


@dataclass(frozen=True)
class ClassifiedValue:
    """A classification under the name that the definition gives it."""

    name: str
    label: str
    probabilities: Mapping[str, float]
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True)
class Collected:
    """The outputs of one run, in the order of the definition."""

    segments: tuple[Mask, ...]
    measurements: tuple[MeasuredValue, ...]
    boxes: tuple[Box, ...]
    classifications: tuple[ClassifiedValue, ...]
    is_urgent: bool


def collect(pipeline: Pipeline, values: Mapping[str, Any]) -> Collected:
    """Gather `pipeline`'s outputs from the values its steps made. A measurement whose step made none is left out.

    Raises OperatorContractBroken when a step made something that the definition does not foresee.
    """
    outputs = pipeline.outputs
    return Collected(
        segments=tuple(_segment(wanted, values[wanted.step]) for wanted in outputs.segments),
        measurements=tuple(
            _measured(wanted, values[wanted.step], pipeline) for wanted in outputs.measurements if wanted.step in values
        ),
        boxes=tuple(_boxes(pipeline, values)),
        classifications=tuple(_classified(wanted, values[wanted.step]) for wanted in outputs.classifications),
        is_urgent=outputs.triage is not None and is_urgent(outputs.triage, values[outputs.triage.step]),
    )


def is_urgent(triage: Triage, found: Boxes | Classification) -> bool:
    """Whether any of the named classes or findings is more probable than the threshold."""
    each = [found.probabilities] if isinstance(found, Classification) else [box.probabilities for box in found.boxes]
    return any(one.get(label, 0.0) > triage.above for one in each for label in triage.urgent_when)


def _segment(wanted: SegmentOutput, made: Mask | Labels) -> Mask:
    if wanted.value is None:
        return Mask(made)
    return Mask(made.with_array((made.array == wanted.value).astype(np.uint8)))


def _measured(wanted: MeasurementOutput, found: Measurement, pipeline: Pipeline) -> MeasuredValue:
    if found.unit != wanted.unit:
        raise OperatorContractBroken(
            f'Measurement "{wanted.name}" is defined in {wanted.unit}, but its operator measures in {found.unit}. '
            "Correct the unit in the pipeline's definition."
        )
    _check_finite([found.value], f'measurement "{wanted.name}"')
    labels = {segment.number: segment.label for segment in pipeline.outputs.segments}
    return MeasuredValue(
        name=wanted.name,
        value=found.value,
        unit=found.unit,
        concept=wanted.concept,
        segment=wanted.segment,
        structure=labels[wanted.segment] if wanted.segment is not None else "",
        alert_change_percent=wanted.alert_change_percent,
    )


def _boxes(pipeline: Pipeline, values: Mapping[str, Any]) -> Iterator[Box]:
    for wanted in pipeline.outputs.boxes:
        for box in values[wanted.step].boxes:
            _check_named(box.region, wanted.regions, f"the boxes of step {wanted.step}")
            for finding in box.probabilities:
                _check_named(finding, wanted.findings, f"the boxes of step {wanted.step}")
            numbers = (*box.probabilities.values(), box.top, box.left, box.bottom, box.right)
            _check_finite(numbers, f"the boxes of step {wanted.step}")
            yield box


def _classified(wanted: ClassificationOutput, found: Classification) -> ClassifiedValue:
    for label in found.probabilities:
        _check_named(label, wanted.classes, f'classification "{wanted.name}"')
    _check_finite(found.probabilities.values(), f'classification "{wanted.name}"')
    return ClassifiedValue(wanted.name, found.label, dict(found.probabilities), found.sop_instance_uids)


def _check_named(label: str, named: Mapping[str, Code], where: str) -> None:
    if label not in named:
        raise OperatorContractBroken(
            f'The definition gives no code for "{label}" in {where}; it names {", ".join(named)}. Add it there.'
        )


def _check_finite(numbers: Iterable[float], where: str) -> None:
    if not all(map(math.isfinite, numbers)):
        raise OperatorContractBroken(
            f"There are values that are no numbers (NaN or infinite) in {where}. The model or an operator is at fault."
        )
