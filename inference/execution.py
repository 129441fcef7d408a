"""One run from files to files: what a worker's child process does, and what `manage.py pipelines run` does.

Neither side needs a database. A work order and its report are plain data, so that they can cross from one process to
another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from inference import graph
from inference.errors import InstallationFault
from inference.graph import Outputs, Sources
from inference.identity import Identity
from inference.operators.values import EarlierResult, History, Measurement, PriorSeries, SourceSeries
from inference.outputs import ClassifiedValue, MeasuredValue
from inference.products import FinishedRun, WrittenFile
from inference.schema import ObjectKind, Pipeline
from inference.timing import READING, WRITING, OnStep, RunClock
from inference.writers import write_all


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EarlierNumbers(_Plain):
    """What was measured in an earlier exam: value and unit by name."""

    study_date: date
    measurements: Mapping[str, tuple[float, str]]


class WorkOrder(_Plain):
    """Everything that a run needs to know.

    pipeline: the definition, with the digest it must have here; files: of the selected series; prior_files: of the
    series that was selected in the latest earlier exam; salt, run: see `inference.identity`; out: a folder for the
    result's files.
    """

    pipeline: Pipeline
    digest: str
    files: tuple[Path, ...]
    prior_files: tuple[Path, ...] = ()
    history: tuple[EarlierNumbers, ...] = ()
    models_dir: Path
    salt: str
    run: str
    out: Path


class FoundBox(_Plain):
    """See `inference.operators.values.Box`."""

    region: str
    finding: str
    probability: float
    probabilities: Mapping[str, float]
    top: float
    left: float
    bottom: float
    right: float
    sop_instance_uid: str


class Classified(_Plain):
    """See `inference.outputs.ClassifiedValue`."""

    name: str
    label: str
    probabilities: Mapping[str, float]
    sop_instance_uids: tuple[str, ...]


class Measured(_Plain):
    """See `inference.outputs.MeasuredValue`."""

    name: str
    value: float
    unit: str
    structure: str
    alert_change_percent: float | None


class ObjectFile(_Plain):
    """See `inference.products.WrittenFile`."""

    kind: ObjectKind
    path: Path
    description: str


class Report(_Plain):
    """What a run left behind: its numbers and findings, and its files in the order's folder."""

    measurements: tuple[Measured, ...]
    boxes: tuple[FoundBox, ...]
    classifications: tuple[Classified, ...]
    is_urgent: bool
    notes: tuple[str, ...]
    files: tuple[ObjectFile, ...]


def carry_out(order: WorkOrder, *, on_step: OnStep) -> Report:
    """Run the order's pipeline on its files and write the result's files into its folder.

    Raises InstallationFault when the pipeline is of another version than this installation's code makes of it, and
    whatever `graph.execute` and the writers raise.
    """
    check_code(order)
    clock = RunClock()
    with clock.timed(READING) as reading:
        sources = Sources(SourceSeries.from_files(order.files), _prior(order), _history(order))
    on_step(*reading)
    outputs = graph.execute(order.pipeline, sources, models_dir=order.models_dir, on_step=on_step, clock=clock)
    run = FinishedRun(order.pipeline, sources.series, outputs, Identity(salt=order.salt, run=order.run))
    with clock.timed(WRITING, ", ".join(order.pipeline.outputs.kinds)) as writing:
        files = write_all(run, order.out)
    on_step(*writing)
    return _report(outputs, files)


def check_code(order: WorkOrder) -> None:
    """Raise InstallationFault unless the operators here are those of the version that the order names."""
    try:
        digest = order.pipeline.digest
    except KeyError as fault:
        raise InstallationFault(
            f"An operator of {order.pipeline.name} is not here: {fault.args[0]}. Install the package that brings it, "
            "then restart the worker."
        ) from fault
    if digest != order.digest:
        raise InstallationFault(
            f"The job was made for {order.pipeline.name} {order.pipeline.version} ({order.digest[:12]}), but this "
            f"worker's operators are of another version ({digest[:12]}). Restart the worker with the "
            "release that the job was made by."
        )


def _prior(order: WorkOrder) -> PriorSeries:
    return PriorSeries(SourceSeries.from_files(order.prior_files) if order.prior_files else None)


def _history(order: WorkOrder) -> History:
    return History(
        tuple(
            EarlierResult(
                earlier.study_date,
                {name: Measurement(value, unit) for name, (value, unit) in earlier.measurements.items()},
            )
            for earlier in order.history
        )
    )


def _report(outputs: Outputs, files: list[WrittenFile]) -> Report:
    return Report(
        measurements=tuple(map(_measured, outputs.measurements)),
        boxes=tuple(FoundBox(**asdict(box)) for box in outputs.boxes),
        classifications=tuple(map(_classified, outputs.classifications)),
        is_urgent=outputs.is_urgent,
        notes=outputs.notes,
        files=tuple(ObjectFile(kind=file.kind, path=file.path, description=file.description) for file in files),
    )


def _measured(one: MeasuredValue) -> Measured:
    return Measured(
        name=one.name,
        value=one.value,
        unit=one.unit,
        structure=one.structure,
        alert_change_percent=one.alert_change_percent,
    )


def _classified(one: ClassifiedValue) -> Classified:
    return Classified(
        name=one.name,
        label=one.label,
        probabilities=one.probabilities,
        sop_instance_uids=one.sop_instance_uids,
    )
