"""A job's steps as a picture: when each ran, for how long, and what the process held meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.models import OperatorRun
from inference.ticks import round_numbers

THINNEST = 0.4
"""Percent of the picture's width: a step that took no time is still seen."""
MARKS = 5
"""The most lines that the axis of seconds has beside its zero."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One step. `offset` and `width` are percentages of the whole time, `memory` of the largest of all steps."""

    run: OperatorRun
    offset: float
    width: float
    memory: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A line of the axis: `at` in percent of the picture's width, `seconds` from the run's begin."""

    at: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The steps in the order in which they began. seconds: from the run's begin to the end of its last step."""

    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    seconds: float

    @property
    def saved(self) -> float:
        """Seconds that steps side by side took less than one after the other."""
        return max(sum(bar.run.seconds for bar in self.bars) - self.seconds, 0.0)


def timeline(runs: Sequence[OperatorRun]) -> Timeline:
    """The picture of `runs`; without any it is empty."""
    began = _begins(runs)
    end = max((start + run.seconds for run, start in zip(runs, began, strict=True)), default=0.0)
    most = max((run.peak_memory_mb for run in runs), default=0.0)
    ordered = sorted(zip(began, runs, strict=True), key=lambda pair: pair[0])
    return Timeline(
        bars=tuple(_bar(run, start, end=end or 1.0, most=most or 1.0) for start, run in ordered),
        marks=tuple(_marks(end)),
        seconds=end,
    )


def _begins(runs: Sequence[OperatorRun]) -> list[float]:
    """When each began. Rows from before this was kept all say 0: those ran one after the other."""
    if any(run.started for run in runs):
        return [run.started for run in runs]
    return [sum(run.seconds for run in runs[:place]) for place in range(len(runs))]


def _bar(run: OperatorRun, start: float, *, end: float, most: float) -> Bar:
    width = max(100 * run.seconds / end, THINNEST)
    return Bar(
        run=run,
        offset=round(min(100 * start / end, 100 - width), 2),
        width=round(width, 2),
        memory=round(100 * run.peak_memory_mb / most, 1),
    )


def _marks(end: float) -> list[Mark]:
    """Round numbers of seconds from zero on: 1, 2 or 5 times a power of ten apart."""
    if end <= 0:
        return []
    return [Mark(at=round(100 * one / end, 2), seconds=one) for one in round_numbers(0.0, end, steps=MARKS)]
