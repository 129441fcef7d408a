"""The table of a course: a line for each of the patient's exams, the newest first, with what can be done from it."""

from __future__ import annotations

from dataclasses import dataclass

from feedback.course.choice import NADIR
from feedback.course.course import Course, Row
from feedback.longitudinal import Change
from feedback.templatetags.figures import figure
from viewer_static.links import comparison_url


@dataclass(frozen=True, kw_only=True)
class LesionLine:
    """One lesion of a sum at one exam. is_followed: whether the sum holds it."""

    name: str
    value: float | None
    since_baseline: Change | None
    is_followed: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """One exam. comparison: where the viewer opens it beside the viewed one. as_baseline: the same page with this exam
    as its baseline, empty where it cannot be one or is it. status: what stands where no change does."""

    row: Row
    comparison: str
    as_baseline: str
    status: str
    other: str
    lesions: tuple[LesionLine, ...]


def lines_of(course: Course) -> list[Line]:
    """The newest exam first."""
    return [_line(course, place) for place in reversed(range(len(course.rows)))]


def _line(course: Course, place: int) -> Line:
    row = course.rows[place]
    other = row.seen.other if row.value is None else None
    return Line(
        row=row,
        comparison=_comparison(course, place),
        as_baseline=_as_baseline(course, place),
        status=_status(course, place),
        other=f"{figure(other.value)} {other.unit}" if other else "",
        lesions=_lesions(course, row) if len(course.quantity.parts) > 1 else (),
    )


def _comparison(course: Course, place: int) -> str:
    """The viewed exam beside this one, the later of them first. Nothing for the viewed exam itself."""
    viewed = course.rows.index(course.now)
    if place == viewed:
        return ""
    later, earlier = course.rows[max(place, viewed)], course.rows[min(place, viewed)]
    return comparison_url(
        later.exam.study_instance_uid,
        prior_study_instance_uid=earlier.exam.study_instance_uid,
        overlays=(_overlay(later), _overlay(earlier)),
    )


def _overlay(row: Row) -> str | None:
    shown = row.result.segmentation if row.result else None
    return shown.series_instance_uid if shown else None


def _as_baseline(course: Course, place: int) -> str:
    row = course.rows[place]
    is_it = place == course.baseline and course.choice.baseline != NADIR
    if row.result is None or row.seen.on is None or not row.seen.is_anything or is_it:
        return ""
    return course.choice.but(baseline=row.result.pk).query


def _status(course: Course, place: int) -> str:
    row = course.rows[place]
    if row.result is None:
        return "no result"
    if row.compared.is_baseline:
        return "baseline"
    if row.compared.since_baseline is not None:
        return ""
    if row.seen.on is None:
        return "no date"
    if row.value is None:
        return "not compared"
    return "before the baseline" if course.baseline is not None and place < course.baseline else "not compared"


def _lesions(course: Course, row: Row) -> tuple[LesionLine, ...]:
    now = row.seen.lesions(course.choice)
    base = course.baseline_row.seen.lesions(course.choice) if course.baseline_row else {}
    changes = {
        name: Change.between(before, value)
        for name, value in now.items()
        if value is not None and (before := base.get(name)) is not None and row.compared.against is not None
    }
    return tuple(
        LesionLine(name=name, value=value, since_baseline=changes.get(name), is_followed=name in course.lesions)
        for name, value in now.items()
    )
