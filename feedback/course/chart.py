"""The chart of a course as a drawing, in units of its own, which a template writes as SVG.

Drawn by the server: it prints as lines, is there without a script, and says every value to whoever cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from feedback.course.course import Course, Row
from feedback.course.judging import Category
from feedback.templatetags.figures import figure, percentage
from inference.ticks import round_numbers

WIDTH, HEIGHT = 900.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 128.0, 12.0, 30.0
RIGHT_EDGE, FLOOR = WIDTH - RIGHT, HEIGHT - BOTTOM
TICKS, LEAST_BETWEEN = 5, 66.0
"""How many values stand at the axis about, and how far apart the dates of exams have to lie to be written."""
RADIUS = 5.0
SHAPES = {Category.PROGRESSION: "up", Category.PARTIAL: "down", Category.MINOR: "down", Category.COMPLETE: "down"}


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label of an axis, and where it stands."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One exam's value: a path, what it says, and the result that it opens."""

    path: str
    tone: str
    title: str
    row: Row


@dataclass(frozen=True, kw_only=True)
class Zone:
    """Where a value is flagged: its edge, which moves with the nadir, and the room beyond it."""

    tone: str
    edge: str
    room: str
    label: str
    label_y: float


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """All of a chart, the things behind first. beside: the values that the line does not run through."""

    zones: tuple[Zone, ...]
    values: tuple[Tick, ...]
    dates: tuple[Tick, ...]
    line: str
    dots: tuple[Dot, ...]
    beside: tuple[Dot, ...]
    baseline_y: float | None

    view_box = f"0 0 {WIDTH:g} {HEIGHT:g}"
    left, right, floor = LEFT, RIGHT_EDGE, FLOOR
    label_x = RIGHT_EDGE + 6
    date_y, tick_end = FLOOR + 20, FLOOR + 5
    value_x = LEFT - 8


def draw(course: Course) -> Drawing | None:
    """The chart of `course`, or None when there are not two exams with a date and a value."""
    rows = course.dated
    if len(rows) < 2:
        return None
    x = _time_axis(rows)
    low, high, ticks = _scale(_in_sight(course))

    def y(value: float) -> float:
        return FLOOR - (value - low) / (high - low) * (FLOOR - TOP)

    base = course.baseline_row
    return Drawing(
        zones=tuple(_zones(course, rows, x, y)),
        values=tuple(Tick(at=_r(y(value)), label=_short(value)) for value in ticks),
        dates=tuple(_dates(rows, x)),
        line="M" + "L".join(f"{_r(x[n])} {_r(y(row.value or 0.0))}" for n, row in enumerate(rows)),
        dots=tuple(_dot(row, x[n], y(row.value or 0.0), course) for n, row in enumerate(rows)),
        beside=tuple(_beside(rows, x, y, course)),
        baseline_y=_r(y(base.value)) if base and base.value is not None else None,
    )


def _time_axis(rows: Sequence[Row]) -> list[float]:
    """Where each exam stands; those of one day stand by their time."""
    days = [_day(row) for row in rows]
    span = days[-1] - days[0]
    if span == 0:
        return [LEFT + 20 + n * (RIGHT_EDGE - LEFT - 60) / (len(rows) - 1) for n in range(len(rows))]
    return [LEFT + 20 + (day - days[0]) / span * (RIGHT_EDGE - LEFT - 60) for day in days]


def _day(row: Row) -> float:
    time = row.exam.study_time
    hours = int(time[:2]) + int(time[2:4]) / 60 if time[:4].isdecimal() and len(time) >= 4 else 0.0
    return (row.seen.on or date.min).toordinal() + hours / 24


def _in_sight(course: Course) -> list[float]:
    """The values that have to be seen. A response's limit far below all of them would only flatten the curve."""
    seen = [value for row in course.dated for value in (row.ai, row.corrected, row.value) if value is not None]
    limits = [*(row.limits for row in course.dated), course.upcoming]
    upper = [one.progression_from for one in limits if one and one.progression_from is not None]
    lower = [one.response_to for one in limits if one and one.response_to is not None]
    return [*seen, *upper, *lower]


def _scale(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """The axis' ends, and round numbers between them."""
    low, high = min(values), max(values)
    margin = (high - low or abs(high) or 1.0) * 0.1
    bottom = max(0.0, low - margin) if low >= 0 else low - margin
    top = high + margin
    return bottom, top, round_numbers(bottom, top, steps=TICKS)


def _zones(course: Course, rows: Sequence[Row], x: Sequence[float], y: Callable[[float], float]) -> list[Zone]:
    each = [*((row.limits, x[n - 1], x[n]) for n, row in enumerate(rows) if n), (course.upcoming, x[-1], RIGHT_EDGE)]
    upper = [(one.progression_from, start, end) for one, start, end in each if one]
    lower = [(one.response_to, start, end) for one, start, end in each if one]
    rule = course.rule
    alert = f"{course.quantity.alert_percent:g} %" if course.quantity.alert_percent else ""
    names = ("progression ≥ ", "response ≤ ") if rule else (f"+{alert}: ", f"\N{MINUS SIGN}{alert}: ")
    tones = ("grown", "shrunk") if rule else ("grown", "grown")
    zones = [
        _zone(upper, y, edge=TOP, tone=tones[0], name=names[0]),
        _zone(lower, y, edge=FLOOR, tone=tones[1], name=names[1]),
    ]
    return [zone for zone in zones if zone]


Stretch = tuple[float | None, float, float]
"""A limit, and from where to where it holds; None where there is none."""


def _zone(
    stretches: Sequence[Stretch], y: Callable[[float], float], *, edge: float, tone: str, name: str
) -> Zone | None:
    held = [(limit, start, end) for limit, start, end in stretches if limit is not None]
    if not held:
        return None
    steps = "L".join(f"{_r(start)} {_r(y(limit))}L{_r(end)} {_r(y(limit))}" for limit, start, end in held)
    return Zone(
        tone=tone,
        edge=f"M{steps}",
        room=f"M{_r(held[0][1])} {_r(edge)}L{steps}L{_r(held[-1][2])} {_r(edge)}z",
        label=f"{name}{figure(held[-1][0])}",
        label_y=_r(y(held[-1][0]) + 4),
    )


def _dates(rows: Sequence[Row], x: Sequence[float]) -> list[Tick]:
    """The exams' dates, without those that would stand in the one before; the last is always there."""
    kept: list[Tick] = []
    for n in reversed(range(len(rows))):
        if not kept or kept[-1].at - x[n] >= LEAST_BETWEEN:
            kept.append(Tick(at=_r(x[n]), label=f"{rows[n].seen.on:%Y-%m-%d}"))
    return kept[::-1]


def _dot(row: Row, x: float, y: float, course: Course) -> Dot:
    since = row.compared.since_baseline
    said = [f"{row.seen.on:%Y-%m-%d}: {figure(row.value or 0.0)} {course.quantity.unit}"]
    said += [f"{percentage(since.percent)} against {row.against:%Y-%m-%d}"] if since and row.against else []
    said += [row.verdict.category] if row.verdict else []
    shape = SHAPES.get(row.verdict.category, "round") if row.verdict else "up" if row.is_flagged else "round"
    tone = {"up": "grown", "down": "shrunk"}.get(shape, "plain")
    size = RADIUS * (1.4 if row.is_viewed else 1.0)
    return Dot(path=_shape(shape, x, y, size), tone=tone, title=", ".join(said), row=row)


def _beside(rows: Sequence[Row], x: Sequence[float], y: Callable[[float], float], course: Course) -> list[Dot]:
    """Of corrected exams the value that the line does not run through."""
    is_corrected = course.choice.values == "corrected"
    whose = "the AI's" if is_corrected else "corrected"
    dots = []
    for n, row in enumerate(rows):
        value = row.ai if is_corrected else row.corrected
        if row.corrected is not None and value is not None:
            title = f"{row.seen.on:%Y-%m-%d}: {figure(value)} {course.quantity.unit}, {whose}"
            dots.append(Dot(path=_shape("diamond", x[n], y(value), RADIUS), tone="beside", title=title, row=row))
    return dots


def _shape(shape: str, x: float, y: float, size: float) -> str:
    """A path around a point. Shapes differ, not colours alone."""
    corners = {
        "up": ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
        "down": ((0, 1.3), (1.2, -0.9), (-1.2, -0.9)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    }
    if shape in corners:
        return "M" + "L".join(f"{_r(x + dx * size)} {_r(y + dy * size)}" for dx, dy in corners[shape]) + "z"
    arc = f"a{_r(size)} {_r(size)} 0 1 0 "
    return f"M{_r(x - size)} {_r(y)}{arc}{_r(2 * size)} 0{arc}{_r(-2 * size)} 0z"


def _short(value: float) -> str:
    return f"{value:.10g}".replace("-", "\N{MINUS SIGN}")


def _r(value: float) -> float:
    return round(value, 1)
