"""Estimates with their intervals as a drawing for paper, in points: where each mark, label and number stands."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from feedback.templatetags.figures import MINUS
from inference.ticks import round_numbers
from studies.evidence.charts import Plot

WIDTH = 480.0
LEFT, RIGHT = 168.0, 330.0
"""Where the axis begins and ends; labels stand before it, numbers behind."""
_LINE, _PAD, _BELOW = 9.5, 8.0, 26.0
_CHARACTERS = 36  # in one line of a label
_TICKS = 6


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One estimate: its label in lines, its number in words, and its places from left to right. y: of its middle."""

    label: tuple[str, ...]
    number: str
    y: float
    low: float
    value: float
    high: float
    is_pooled: bool

    @property
    def label_y(self) -> float:
        """Baseline of the label's first line."""
        return self.y + 3 - (len(self.label) - 1) * _LINE / 2

    @property
    def number_y(self) -> float:
        """Baseline of the number."""
        return self.y + 3

    @property
    def label_lines(self) -> list[tuple[float, str]]:
        """Baseline and text of each of the label's lines."""
        return [(self.label_y + at * _LINE, text) for at, text in enumerate(self.label)]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A number at the axis."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Forest:
    """The drawing. title: what the axis is called; axis_y: how far down it stands."""

    title: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    axis_y: float
    left: float = LEFT
    right: float = RIGHT
    width: float = WIDTH

    @property
    def height(self) -> float:
        return self.axis_y + _BELOW

    @property
    def middle(self) -> float:
        """Of the axis."""
        return (self.left + self.right) / 2

    @property
    def title_y(self) -> float:
        """Baseline of what the axis is called."""
        return self.axis_y + 22

    @property
    def ticks_y(self) -> float:
        """Baseline of the numbers at the axis."""
        return self.axis_y + 11


def draw(plot: Plot) -> Forest:
    """The plot as a drawing."""
    low, high = _range(plot)

    def at(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (RIGHT - LEFT), 2)

    marks: list[Mark] = []
    y = 0.0
    for row in plot.rows:
        label = tuple(textwrap.wrap(row.label, _CHARACTERS)) or ("",)
        height = len(label) * _LINE + _PAD
        marks.append(
            Mark(
                label=label,
                number=row.number.partition(", n = ")[0],
                y=y + height / 2,
                low=at(row.low),
                value=at(row.value),
                high=at(row.high),
                is_pooled=row.is_pooled,
            )
        )
        y += height
    numbers = round_numbers(low, high, steps=_TICKS)
    ticks = tuple(Tick(x=at(one), label=f"{one:g}".replace("-", MINUS)) for one in numbers)
    return Forest(title=plot.axis, marks=tuple(marks), ticks=ticks, axis_y=y + 4)


def _range(plot: Plot) -> tuple[float, float]:
    if plot.is_share:
        return 0.0, 1.0
    low, high = min(row.low for row in plot.rows), max(row.high for row in plot.rows)
    margin = (high - low or abs(high) or 1.0) * 0.08
    return low - margin, high + margin
