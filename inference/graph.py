"""Runs a pipeline's steps in this process, on arrays in memory; steps that do not wait for each other run at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference import artifacts
from inference.backends import LoadedModel
from inference.backends.batching import shared
from inference.backends.warm import warm_models
from inference.errors import InferenceError, NotMeasurable, OperatorFailed
from inference.operators import registry
from inference.operators.registry import OperatorSpec
from inference.operators.values import Box, History, Mask, PriorSeries, SourceSeries
from inference.outputs import ClassifiedValue, MeasuredValue, collect
from inference.schema import HISTORY, INPUT, PRIOR, Pipeline, Step
from inference.timing import LOADING, OnStep, OperatorTiming, RunClock

log = logging.getLogger(__name__)

BRANCHES = max(2, os.cpu_count() or 2)
"""How many steps may run at once."""


@dataclass(frozen=True)
class Sources:
    """What a run looks at: the selected series, and of the patient's earlier exams what its steps ask for."""

    series: SourceSeries
    prior: PriorSeries = field(default_factory=lambda: PriorSeries(None))
    history: History = field(default_factory=History)


@dataclass(frozen=True)
class Outputs:
    """What a run made.

    segments: one mask for each of the pipeline's segments, in their order, on the source's grid; notes: why a
    measurement is not among `measurements`, and why images were left out.
    """

    segments: tuple[Mask, ...]
    measurements: tuple[MeasuredValue, ...]
    boxes: tuple[Box, ...]
    classifications: tuple[ClassifiedValue, ...]
    is_urgent: bool
    notes: tuple[str, ...]
    timings: tuple[OperatorTiming, ...]


def _ignore(_timing: OperatorTiming) -> None:
    """For callers that want no news of the steps."""


def execute(
    pipeline: Pipeline,
    sources: Sources,
    *,
    models_dir: Path,
    on_step: OnStep = _ignore,
    clock: RunClock | None = None,
) -> Outputs:
    """Run every step of `pipeline`; `on_step` hears of each as it ends, and may stop the run by raising.

    Models are verified and loaded before the first step. Values are dropped after their last use. `on_step` is called
    from the caller's thread. `clock` is the run's, where it began before.
    Raises ModelNotInstalled, ModelDigestMismatch, UnknownBackend, or OperatorFailed, whose cause is the operator's own
    error.
    """
    run = _Run(pipeline, on_step, clock or RunClock())
    models = run.load_models(models_dir)
    values = run.steps(models, {INPUT: sources.series, PRIOR: sources.prior, HISTORY: sources.history})
    collected = collect(pipeline, values)
    return Outputs(
        segments=collected.segments,
        measurements=collected.measurements,
        boxes=collected.boxes,
        classifications=collected.classifications,
        is_urgent=collected.is_urgent,
        notes=(*run.notes.values(), *run.remarks),
        timings=tuple(sorted(run.timings, key=lambda timing: timing.started)),
    )


@dataclass
class _Run:
    pipeline: Pipeline
    on_step: OnStep
    clock: RunClock
    timings: list[OperatorTiming] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def load_models(self, models_dir: Path) -> Mapping[str, LoadedModel]:
        if not self.pipeline.models:
            return {}
        with self.clock.timed(LOADING) as timings:
            models = _load_models(self.pipeline, models_dir)
        self._heard(*timings)
        return models

    def steps(self, models: Mapping[str, LoadedModel], values: dict[str, Any]) -> dict[str, Any]:
        """The values that the outputs are made of. A step whose input has a reason to be absent is left out."""
        waiting = list(self.pipeline.steps)
        running: dict[Future[tuple[object, OperatorTiming]], Step] = {}
        with ThreadPoolExecutor(BRANCHES, thread_name_prefix="branch") as pool:
            while waiting or running:
                for step in self._ready(waiting, values):
                    waiting.remove(step)
                    running[pool.submit(self._step, step, _inputs(step, values), models)] = step
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._finish(running.pop(future), future, values)
                self._drop_finished([*waiting, *running.values()], values)
        return values

    def _ready(self, waiting: list[Step], values: Mapping[str, Any]) -> list[Step]:
        for step in list(waiting):
            if absent := next((origin for origin in step.origins if origin in self.notes), None):
                waiting.remove(step)
                self.notes[step.id] = self.notes[absent]
        return [step for step in waiting if all(origin in values for origin in step.origins)]

    def _step(
        self, step: Step, inputs: Mapping[str, Any], models: Mapping[str, LoadedModel]
    ) -> tuple[object, OperatorTiming]:
        spec = registry.find(step.operator)
        with self.clock.timed(step.id, spec.name, spec.version) as timings:
            made = _call(step, spec, inputs, _parameters(step, spec, models))
        return made, timings[0]

    def _finish(self, step: Step, future: Future[tuple[object, OperatorTiming]], values: dict[str, Any]) -> None:
        try:
            values[step.id], timing = future.result()
        except NotMeasurable as reason:
            self.notes[step.id] = str(reason)
            return
        if isinstance(made := values[step.id], SourceSeries):
            self.remarks += made.remarks
        self._heard(timing)

    def _drop_finished(self, ahead: list[Step], values: dict[str, Any]) -> None:
        wanted = {origin for step in ahead for origin in step.origins} | self.pipeline.outputs.steps
        for name in [name for name in values if name not in wanted]:
            del values[name]

    def _heard(self, timing: OperatorTiming) -> None:
        self.timings.append(timing)
        self.on_step(timing)


def _load_models(pipeline: Pipeline, models_dir: Path) -> Mapping[str, LoadedModel]:
    loaded = {}
    for alias, pin in pipeline.models.items():
        directory = artifacts.model_directory(models_dir, name=pin.name, version=pin.version)
        loaded[alias] = shared(warm_models.get(directory, digest=pin.sha256))
    return loaded


def _inputs(step: Step, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: values[origin] if isinstance(origin, str) else [values[one] for one in origin]
        for name, origin in step.inputs.items()
    }


def _parameters(step: Step, spec: OperatorSpec, models: Mapping[str, LoadedModel]) -> dict[str, Any]:
    return {
        name: models[value] if name in spec.models else value
        for name, value in spec.parameters.model_validate(step.parameters)
    }


def _call(step: Step, spec: OperatorSpec, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> object:
    try:
        return spec.call(inputs, parameters)
    except NotMeasurable:
        raise
    except Exception as fault:
        # Whatever an operator raises ends the run under the step's name. What nobody foresaw goes to the log whole.
        if not isinstance(fault, InferenceError):
            log.exception("Step %s (%s) failed.", step.id, spec.name)
        raise OperatorFailed(step=step.id, operator=spec.name, cause=fault) from fault
