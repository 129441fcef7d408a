"""A finished run, and the files that are written of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inference.graph import Outputs
from inference.identity import Identity
from inference.operators.values import SourceSeries
from inference.schema import ObjectKind, Pipeline


@dataclass(frozen=True)
class FinishedRun:
    """What a writer needs to know: the definition, the series that the run looked at, and what came out."""

    pipeline: Pipeline
    series: SourceSeries
    outputs: Outputs
    identity: Identity


@dataclass(frozen=True)
class WrittenFile:
    """One file of a result. description: in words, for the page that offers it."""

    kind: ObjectKind
    path: Path
    description: str
