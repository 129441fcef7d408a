"""What the charts of a results page draw, as plain data. Each chart has its table beside it, which says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from studies.evidence.shown import Shown, ShownLine, ShownTable
from studies.statistics.estimate import Estimate
from studies.statistics.times import Duration

Chart = dict[str, Any]
MOST_POINTS = 2000
"""Of a scatter; more would be one blot."""


def charts_of(shown: Shown) -> dict[str, list[Chart]]:
    """The charts of each table, by the table's key."""
    found = {table.key: list(_of_table(table)) for table in (*shown.endpoints, *shown.tables)}
    return {key: charts for key, charts in found.items() if charts}


@dataclass(frozen=True, kw_only=True)
class PlotRow:
    """One estimate of a forest plot. is_pooled: of all readers together, or of an arm by itself."""

    label: str
    value: float
    low: float
    high: float
    number: str
    is_pooled: bool


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Estimates of one kind with their intervals. is_share: all lie between 0 and 1."""

    title: str
    unit: str
    is_share: bool
    rows: tuple[PlotRow, ...]

    @property
    def axis(self) -> str:
        """What its axis is called."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def chart(self) -> Chart:
        return {
            "kind": "forest",
            "title": self.title,
            "unit": self.unit,
            "domain": [0, 1] if self.is_share else None,
            "rows": [
                {
                    "label": row.label,
                    "value": row.value,
                    "low": row.low,
                    "high": row.high,
                    "text": row.number,
                    "pooled": row.is_pooled,
                }
                for row in self.rows
            ],
        }


def plots_of(table: ShownTable) -> list[Plot]:
    """A forest plot for each kind of number with intervals to compare; not of times, nor of what is scattered."""
    scattered = {one.line.whose for one in table.lines if _is_scattered(one)}
    found = [
        one
        for one in table.lines
        if one.line.interval and not isinstance(one.line.answer, Duration) and one.line.whose not in scattered
    ]
    kinds = Counter((one.what, one.line.unit) for one in found)
    return [
        _plot([one for one in found if (one.what, one.line.unit) == kind]) for kind, count in kinds.items() if count > 1
    ]


def _plot(lines: Sequence[ShownLine]) -> Plot:
    rows = tuple(row for one in lines for row in _row(one))
    return Plot(
        title=lines[0].what,
        unit=lines[0].line.unit,
        is_share=not lines[0].line.unit and all(row.low >= 0 and row.high <= 1 for row in rows),
        rows=rows,
    )


def _row(one: ShownLine) -> Iterator[PlotRow]:
    if one.line.value is None or one.line.interval is None:
        return
    yield PlotRow(
        label=one.whose,
        value=one.line.value,
        low=one.line.interval.low,
        high=one.line.interval.high,
        number=f"{one.estimate} ({one.interval}), n = {one.count}",
        is_pooled=one.line.whose.reader is None,
    )


def _is_scattered(one: ShownLine) -> bool:
    return bool(one.line.points and one.line.unit and one.is_computed)


def _of_table(table: ShownTable) -> Iterator[Chart]:
    computed = [one for one in table.lines if one.is_computed]
    times = [one for one in computed if isinstance(one.line.answer, Duration)]
    yield from _by_kind(times)
    curves = [one for one in computed if one.line.points and not one.line.unit]
    if curves:
        yield _curves(curves)
    for one in filter(_is_scattered, computed):
        yield _differences(one, computed)
    yield from (plot.chart for plot in plots_of(table))


def _curves(lines: Sequence[ShownLine]) -> Chart:
    return {
        "kind": "roc",
        "title": "ROC curves",
        "series": [
            {
                "label": one.whose,
                "text": f"{one.what} {one.estimate}",
                "points": [list(point) for point in one.line.points],
            }
            for one in lines
        ],
    }


def _differences(one: ShownLine, lines: Sequence[ShownLine]) -> Chart:
    """Bland and Altman's plot: each pair at its mean and difference, the bias and the limits of agreement."""
    same = [other for other in lines if _thing(other) == _thing(one)]
    return {
        "kind": "differences",
        "title": f"Differences: {one.what.rpartition(': ')[0] or one.whose}",
        "unit": one.line.unit,
        "points": [list(point) for point in one.line.points[:MOST_POINTS]],
        "marks": [
            {"label": f"{other.what.rpartition(': ')[2]} {other.estimate}", "value": other.line.value} for other in same
        ],
    }


def _thing(one: ShownLine) -> tuple[object, ...]:
    """Of what a bias and its limits are: the same structure in the same hands."""
    return one.line.whose, one.line.unit, one.what.rpartition(": ")[0]


def _times(what: str, lines: Sequence[ShownLine]) -> Chart:
    """Medians with their quartiles, and how far the times reach."""
    about = f"{what}: median" if what else "Median"
    return {
        "kind": "times",
        "title": f"{about}, quartiles, shortest and longest",
        "unit": lines[0].line.unit,
        "rows": [_time(one, one.line.answer) for one in lines],
    }


def _time(one: ShownLine, answer: Estimate | object) -> Chart:
    assert isinstance(answer, Duration)
    return {
        "label": one.what if one.whose == "All" else one.whose,
        "value": answer.value,
        "lower": answer.lower_quartile,
        "upper": answer.upper_quartile,
        "shortest": answer.shortest,
        "longest": answer.longest,
        "text": f"median {one.estimate}, n = {one.count}",
    }


def _by_kind(times: Sequence[ShownLine]) -> Iterator[Chart]:
    """One chart for each time that several are compared in; one for all the others together."""
    counted = Counter(one.what for one in times)
    for what, count in counted.items():
        if count > 1:
            yield _times(what, [one for one in times if one.what == what])
    if alone := [one for one in times if counted[one.what] == 1]:
        yield _times("", alone)
