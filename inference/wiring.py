"""Whether the steps of a pipeline fit together: known operators, earlier steps only, types that match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from inference.definition_file import Location
from inference.operators import registry
from inference.operators.registry import OperatorSpec
from inference.operators.values import (
    Boxes,
    Classification,
    History,
    Labels,
    Mask,
    Measurement,
    PriorSeries,
    SourceSeries,
)
from inference.schema import HISTORY, INPUT, PRIOR, Pipeline, SegmentOutput, Step

Fault = tuple[Location, str]

RESERVED = {INPUT: SourceSeries, PRIOR: PriorSeries, HISTORY: History}
"""What a step may take that no other step makes."""


def faults(pipeline: Pipeline) -> list[Fault]:
    """Every place at which the pipeline does not fit together, and what was expected there."""
    return [*_Wiring(pipeline).faults()]


class _Wiring:
    """Walks the steps in order and remembers what type each makes."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._made: dict[str, Any] = dict(RESERVED)
        self._models_used: set[str] = set()

    def faults(self) -> Iterator[Fault]:
        for index, step in enumerate(self._pipeline.steps):
            yield from self._step(step, ("steps", index))
        for alias in sorted(set(self._pipeline.models) - self._models_used):
            yield ("models", alias), "is used by no step; remove it"
        yield from self._segments()
        yield from self._measurements()
        yield from self._findings()

    def _step(self, step: Step, at: Location) -> Iterator[Fault]:
        if step.id in self._made:
            yield (*at, "id"), f'"{step.id}" is taken; give every step its own name, other than {_listed(RESERVED)}'
        try:
            spec = registry.find(step.operator)
        except KeyError as fault:
            yield (*at, "operator"), str(fault.args[0])
            self._made.setdefault(step.id, Any)
            return
        yield from self._inputs(step, spec, at)
        yield from self._parameters(step, spec, at)
        self._made.setdefault(step.id, self._result(step, spec))

    def _inputs(self, step: Step, spec: OperatorSpec, at: Location) -> Iterator[Fault]:
        for name in sorted(spec.inputs.keys() - step.inputs.keys()):
            yield (*at, "inputs", name), f"is required by {spec.name}: {_named(spec.inputs[name])}"
        for name, given in step.inputs.items():
            here = (*at, "inputs", name)
            if name not in spec.inputs:
                yield here, f"is no input of {spec.name}; it takes {', '.join(spec.inputs)}"
            elif isinstance(given, list) and name == spec.variadic:
                for index, origin in enumerate(given):
                    yield from self._origin(origin, spec.inputs[name], (*here, index))
            elif isinstance(given, str) and name != spec.variadic:
                yield from self._origin(given, spec.inputs[name], here)
            else:
                yield here, f"expected {'a list of steps' if name == spec.variadic else 'one step'} ({spec.name})"

    def _origin(self, origin: str, wanted: Any, at: Location) -> Iterator[Fault]:
        if origin not in self._made:
            yield at, f'expected {_listed(RESERVED)} or an earlier step, not "{origin}"'
        elif not fits(self._made[origin], wanted):
            yield at, f'expected {_named(wanted)}, but "{origin}" makes {_named(self._made[origin])}'

    def _parameters(self, step: Step, spec: OperatorSpec, at: Location) -> Iterator[Fault]:
        try:
            spec.parameters.model_validate(step.parameters)
        except ValidationError as fault:
            for error in fault.errors():
                yield (*at, "parameters", *error["loc"]), f"{error['msg']} ({spec.name})"
        for name in spec.models & step.parameters.keys():
            alias = step.parameters[name]
            self._models_used.add(alias)
            if alias not in self._pipeline.models:
                yield (*at, "parameters", name), f'expected one of the pipeline\'s models, not "{alias}"'

    def _result(self, step: Step, spec: OperatorSpec) -> Any:
        """What the step makes; an operator that returns what it takes makes the type of that input."""
        if not isinstance(spec.returns, TypeVar):
            return spec.returns
        given = (step.inputs.get(name, "") for name, wanted in spec.inputs.items() if wanted is spec.returns)
        first = next(given, "")
        return self._made.get(first if isinstance(first, str) else first[0], Any)

    def _segments(self) -> Iterator[Fault]:
        for index, segment in enumerate(self._pipeline.outputs.segments):
            at: Location = ("outputs", "segments", index)
            yield from self._segment_source(segment, at)
            if segment.number != index + 1:
                yield (*at, "number"), f"expected {index + 1}: segments are numbered from 1 without gaps"

    def _segment_source(self, segment: SegmentOutput, at: Location) -> Iterator[Fault]:
        if segment.value is None:
            yield from self._output(segment.step, Mask, at)
        else:
            yield from self._output(segment.step, Labels, at)

    def _measurements(self) -> Iterator[Fault]:
        seen: set[str] = set()
        numbers = {segment.number for segment in self._pipeline.outputs.segments}
        for index, measurement in enumerate(self._pipeline.outputs.measurements):
            at: Location = ("outputs", "measurements", index)
            yield from self._output(measurement.step, Measurement, at)
            if measurement.name in seen:
                yield (*at, "name"), f'"{measurement.name}" is taken; give every measurement its own name'
            if measurement.segment is not None and measurement.segment not in numbers:
                yield (*at, "segment"), f"expected the number of a segment, not {measurement.segment}"
            seen.add(measurement.name)

    def _findings(self) -> Iterator[Fault]:
        outputs = self._pipeline.outputs
        for index, boxes in enumerate(outputs.boxes):
            yield from self._output(boxes.step, Boxes, ("outputs", "boxes", index))
        for index, classification in enumerate(outputs.classifications):
            yield from self._output(classification.step, Classification, ("outputs", "classifications", index))
        if outputs.triage is not None:
            yield from self._triage(outputs.triage.step)

    def _triage(self, step: str) -> Iterator[Fault]:
        outputs = self._pipeline.outputs
        named = {label for boxes in outputs.boxes if boxes.step == step for label in boxes.findings}
        named |= {label for one in outputs.classifications if one.step == step for label in one.classes}
        at: Location = ("outputs", "triage")
        if not named:
            yield (*at, "step"), f'expected a step whose boxes or classes are an output, not "{step}"'
            return
        for label in outputs.triage.urgent_when if outputs.triage else ():
            if label not in named:
                yield (*at, "urgent_when"), f'expected one of {_listed(sorted(named))}, not "{label}"'

    def _output(self, step: str, wanted: Any, at: Location) -> Iterator[Fault]:
        if step in RESERVED or step not in self._made:
            yield (*at, "step"), f'expected the id of a step, not "{step}"'
        elif not fits(self._made[step], wanted):
            yield (*at, "step"), f'expected {_named(wanted)}, but "{step}" makes {_named(self._made[step])}'


def fits(made: Any, wanted: Any) -> bool:
    """Whether a value annotated `made` may go where `wanted` is asked for; a NewType fits where its base does."""
    if isinstance(wanted, TypeVar):
        return any(fits(made, one) for one in wanted.__constraints__ or (wanted.__bound__,))
    if made is Any or made is wanted:
        return True
    base = getattr(made, "__supertype__", None)
    return fits(base, wanted) if base is not None else False


def _named(annotation: Any) -> str:
    if isinstance(annotation, TypeVar):
        return " or ".join(map(_named, annotation.__constraints__ or (annotation.__bound__,)))
    return str(getattr(annotation, "__name__", annotation))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
