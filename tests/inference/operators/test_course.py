"""How a course is judged from volumes."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from inference.operators.course import CLASSES, course_of_volume
from inference.operators.values import EarlierResult, History, Measurement
from tests.inference.series import mr_series, source

NAME = "Lesion volume"
SERIES = source(mr_series(np.zeros((2, 3, 4), dtype=np.uint16)))


def history(*volumes: float, unit: str = "ml") -> History:
    return History(
        tuple(
            EarlierResult(date(2025, 1 + index, 1), {NAME: Measurement(value, unit)})
            for index, value in enumerate(volumes)
        )
    )


@pytest.mark.parametrize(
    ("earlier", "current", "course"),
    [
        ((), 12.0, "baseline"),
        ((12.0,), 12.0, "stable"),
        ((12.0, 11.0, 10.0, 10.5), 13.0, "stable"),
        ((12.0, 11.0, 10.0, 10.5, 13.0), 14.0, "progression"),
        ((12.0, 4.0), 5.6, "progression"),
        ((12.0,), 4.1, "partial response"),
        ((12.0,), 4.3, "stable"),
        ((12.0, 0.0), 0.0, "complete response"),
        ((12.0, 0.0), 0.1, "progression"),
        ((0.0,), 0.0, "stable"),
        ((0.0,), 0.5, "progression"),
    ],
)
def test_growth_counts_from_the_smallest_and_shrinkage_from_the_first(
    earlier: tuple[float, ...], current: float, course: str
) -> None:
    found = course_of_volume(Measurement(current, "ml"), history(*earlier), SERIES, measurement=NAME)
    assert found.label == course
    assert found.probabilities == {one: float(one == course) for one in CLASSES}
    assert len(found.sop_instance_uids) == 2


def test_a_volume_under_another_name_or_unit_is_no_baseline() -> None:
    now = Measurement(12.0, "ml")
    assert course_of_volume(now, history(3.0), SERIES, measurement="Other").label == "baseline"
    assert course_of_volume(now, history(3.0, unit="mm3"), SERIES, measurement=NAME).label == "baseline"


def test_the_limits_are_the_definitions() -> None:
    now, before = Measurement(12.6, "ml"), history(10.0)
    assert course_of_volume(now, before, SERIES, measurement=NAME, growth=25.0).label == "progression"
    assert course_of_volume(now, before, SERIES, measurement=NAME).label == "stable"
