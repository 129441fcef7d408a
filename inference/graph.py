"""Runs a pipeline's steps in this process, on arrays in memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from inference import artifacts, memory
from inference.backends import LoadedModel
from inference.backends.warm import warm_models
from inference.errors import InferenceError, OperatorContractBroken, OperatorFailed
from inference.operators import registry
from inference.operators.registry import OperatorSpec
from inference.operators.values import Mask, Measurement, SourceSeries
from inference.schema import INPUT, Code, MeasurementOutput, Pipeline, Step

log = logging.getLogger(__name__)

LOADING = "load models"
"""The entry under which loading of models is timed; no step can have this name."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class OperatorTiming:
    """What one step took: wall-clock seconds, and the largest resident memory of the process meanwhile, in bytes."""

    step: str
    operator: str
    operator_version: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class MeasuredValue:
    """A measurement with what the pipeline's definition says of it."""

    name: str
    value: float
    unit: str
    concept: Code
    alert_change_percent: float | None


@dataclass(frozen=True)
class Outputs:
    """What a run made. masks: one for each of the pipeline's segments, in their order, on the source's grid."""

    masks: tuple[Mask, ...]
    measurements: tuple[MeasuredValue, ...]
    timings: tuple[OperatorTiming, ...]


OnStep = Callable[[OperatorTiming], None]


def _ignore(_timing: OperatorTiming) -> None:
    """For callers that want no news of the steps."""


def execute(pipeline: Pipeline, series: SourceSeries, *, models_dir: Path, on_step: OnStep = _ignore) -> Outputs:
    """Run every step of `pipeline` on `series`; `on_step` hears of each as it ends, and may stop the run by raising.

    Models are verified and loaded before the first step. Values are dropped after their last use.
    Raises ModelNotInstalled, ModelDigestMismatch, UnknownBackend, or OperatorFailed, whose cause is the operator's own
    error.
    """
    run = _Run(pipeline, on_step)
    models = run.load_models(models_dir)
    values: dict[str, Any] = {INPUT: series}
    for position, step in enumerate(pipeline.steps):
        values[step.id] = run.step(step, values, models)
        for finished in _finished_after(pipeline, position, values):
            del values[finished]
    return Outputs(
        masks=tuple(values[segment.step] for segment in pipeline.outputs.segments),
        measurements=tuple(_measured(wanted, values[wanted.step]) for wanted in pipeline.outputs.measurements),
        timings=tuple(run.timings),
    )


@dataclass
class _Run:
    pipeline: Pipeline
    on_step: OnStep
    timings: list[OperatorTiming] = field(default_factory=list)

    def load_models(self, models_dir: Path) -> Mapping[str, LoadedModel]:
        if not self.pipeline.models:
            return {}
        return self._timed(LOADING, LOADING, "", lambda: _load_models(self.pipeline, models_dir))

    def step(self, step: Step, values: Mapping[str, Any], models: Mapping[str, LoadedModel]) -> object:
        spec = registry.find(step.operator)
        inputs = {name: values[origin] for name, origin in step.inputs.items()}
        parameters = _parameters(step, spec, models)
        return self._timed(step.id, spec.name, spec.version, lambda: _call(step, spec, inputs, parameters))

    def _timed(self, step: str, operator: str, version: str, work: Callable[[], Result]) -> Result:
        memory.reset_peak()
        began = time.perf_counter()
        result = work()
        timing = OperatorTiming(step, operator, version, time.perf_counter() - began, memory.peak_bytes())
        self.timings.append(timing)
        self.on_step(timing)
        return result


def _load_models(pipeline: Pipeline, models_dir: Path) -> Mapping[str, LoadedModel]:
    loaded = {}
    for alias, pin in pipeline.models.items():
        directory = artifacts.model_directory(models_dir, name=pin.name, version=pin.version)
        loaded[alias] = warm_models.get(directory, digest=pin.sha256)
    return loaded


def _parameters(step: Step, spec: OperatorSpec, models: Mapping[str, LoadedModel]) -> dict[str, Any]:
    return {
        name: models[value] if name in spec.models else value
        for name, value in spec.parameters.model_validate(step.parameters)
    }


def _call(step: Step, spec: OperatorSpec, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> object:
    try:
        return spec.function(**inputs, **parameters)
    except Exception as fault:
        # Whatever an operator raises ends the run under the step's name. What nobody foresaw goes to the log whole.
        if not isinstance(fault, InferenceError):
            log.exception("Step %s (%s) failed.", step.id, spec.name)
        raise OperatorFailed(step=step.id, operator=spec.name, cause=fault) from fault


def _finished_after(pipeline: Pipeline, position: int, values: Mapping[str, Any]) -> list[str]:
    outputs = pipeline.outputs
    wanted = {origin for step in pipeline.steps[position + 1 :] for origin in step.inputs.values()}
    wanted |= {segment.step for segment in outputs.segments} | {number.step for number in outputs.measurements}
    return [name for name in values if name not in wanted]


def _measured(wanted: MeasurementOutput, found: Measurement) -> MeasuredValue:
    if found.unit != wanted.unit:
        raise OperatorContractBroken(
            f'Measurement "{wanted.name}" is defined in {wanted.unit}, but its operator measures in {found.unit}. '
            "Correct the unit in the pipeline's definition."
        )
    return MeasuredValue(
        name=wanted.name,
        value=found.value,
        unit=found.unit,
        concept=wanted.concept,
        alert_change_percent=wanted.alert_change_percent,
    )
