"""The chart of a course: what lies where."""

import itertools
import re
from datetime import date, timedelta

import pytest

from feedback.course.chart import FLOOR, LEFT, RIGHT_EDGE, TOP, Drawing, draw
from feedback.course.choice import Choice
from feedback.course.course import course_of
from inference.models import Result
from portal.models import User
from tests.conftest import Cast
from tests.feedback.conftest import MakeExam, MakeResult
from tests.feedback.course.conftest import Correct


def drawing(result: Result, user: User, **chosen: object) -> Drawing:
    course = course_of(result, user, Choice(**chosen))  # type: ignore[arg-type]
    assert course is not None
    drawn = draw(course)
    assert drawn is not None
    return drawn


def numbers(path: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?[\d.]+", path)]


def test_the_line_goes_through_every_exam_in_proportion_to_time_and_value(cast: Cast, visits: list[Result]) -> None:
    drawn = drawing(visits[4], cast.reader)
    coordinates = numbers(drawn.line)
    across, down = coordinates[::2], coordinates[1::2]
    steps = {round(later - earlier, 0) for earlier, later in itertools.pairwise(across)}
    assert len(steps) == 1  # ninety days each
    assert across[0] > LEFT and across[-1] < RIGHT_EDGE
    assert down[4] < down[0] < down[1] < down[3] < down[2]  # 15.2, 12, 11, 10.5 and 10 ml, the largest on top
    assert (down[0] - down[4]) / (down[2] - down[0]) == pytest.approx(3.2 / 2, rel=0.02)
    assert all(TOP <= each <= FLOOR for each in down)


def test_the_edge_of_progression_steps_down_with_the_nadir(cast: Cast, visits: list[Result]) -> None:
    grown, shrunk = drawing(visits[4], cast.reader).zones
    heights = numbers(grown.edge)[1::2]
    assert heights == sorted(heights)  # 16.8, 15.4 and 14 ml
    assert len(set(heights)) == 3
    assert (grown.label, grown.tone) == ("progression ≥ 14.0", "grown")
    assert (shrunk.label, len(set(numbers(shrunk.edge)[1::2]))) == ("response ≤ 4.2", 1)
    assert numbers(grown.edge)[-2] == RIGHT_EDGE  # what holds for the next exam


def test_categories_differ_by_shape_and_the_viewed_exam_by_size(cast: Cast, visits: list[Result]) -> None:
    dots = drawing(visits[4], cast.reader).dots
    assert [dot.tone for dot in dots] == ["plain", "plain", "plain", "plain", "grown"]
    assert dots[4].path.count("L") == 2  # a triangle
    assert "a" in dots[0].path  # a circle
    assert dots[4].title == "2025-09-06: 15.2 ml, +26.7\N{NARROW NO-BREAK SPACE}% against 2024-09-11, progression"


def test_a_corrected_value_lies_beside_the_ais(cast: Cast, visits: list[Result], correct: Correct) -> None:
    correct(visits[2], cast.reader, 13.0)
    (beside,) = drawing(visits[4], cast.reader).beside
    assert beside.title == "2025-03-10: 13.0 ml, corrected"
    (beside,) = drawing(visits[4], cast.reader, values="corrected").beside
    assert beside.title == "2025-03-10: 10.0 ml, the AI's"


def test_dates_that_would_lie_on_each_other_are_left_out_but_the_last(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult
) -> None:
    start = date(2020, 1, 1)
    make_result(make_exam(start))
    for day in range(3):
        last = make_result(make_exam(start + timedelta(1000 + day)), 1400.0 + day)
    dates = drawing(last, cast.reader).dates
    assert [tick.label for tick in dates] == ["2020-01-01", "2022-09-29"]


@pytest.mark.parametrize("values", [(0.0, 0.0), (1400.0, 1400.0), (-3.0, 5.0), (0.0004, 0.0005)])
def test_any_values_give_an_axis(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult, values: tuple[float, float]
) -> None:
    first = make_result(make_exam(date(2020, 1, 1)), values[0])
    second = make_result(make_exam(date(2020, 1, 1), study_time="101500"), values[1])
    drawn = drawing(second, cast.reader)
    assert len(drawn.values) >= 3
    assert len({dot.path for dot in drawn.dots}) == 2
    course = course_of(first, cast.reader, Choice())
    assert course is not None and len(course.dated) == 2


def test_one_exam_has_no_chart(cast: Cast, make_exam: MakeExam, make_result: MakeResult) -> None:
    course = course_of(make_result(make_exam(date(2020, 1, 1))), cast.reader, Choice())
    assert course is not None
    assert draw(course) is None
