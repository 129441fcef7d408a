"""Change against earlier exams, and the reasons why there may be none."""

from __future__ import annotations

from datetime import date

import pytest

from inference.errors import NotMeasurable
from inference.operators.baseline import Baseline, change_against_baseline
from inference.operators.values import EarlierResult, History, Measurement


def history(*values: float, name: str = "Lesion volume", unit: str = "ml") -> History:
    return History(
        tuple(
            EarlierResult(date(2025, month, 1), {name: Measurement(value, unit)})
            for month, value in enumerate(values, start=1)
        )
    )


@pytest.mark.parametrize(("baseline", "expected"), [("first", -25.0), ("previous", 25.0), ("lowest", 50.0)])
def test_change_is_in_percent_of_the_chosen_baseline(baseline: Baseline, expected: float) -> None:
    current = Measurement(15.0, "ml")
    found = change_against_baseline(current, history(20, 10, 12), measurement="Lesion volume", baseline=baseline)
    assert found.value == pytest.approx(expected)
    assert found.unit == "%"


def test_an_exam_that_lacks_the_measurement_is_no_baseline() -> None:
    earlier = History((*history(99, name="Other").results, *history(10).results))
    assert change_against_baseline(Measurement(11, "ml"), earlier, measurement="Lesion volume").value == pytest.approx(
        10
    )


@pytest.mark.parametrize(
    ("earlier", "reason"),
    [
        (history(), "no earlier exam of the patient has a Lesion volume"),
        (history(3, unit="mm3"), "no earlier exam"),
        (history(0.0, 4.0), "the first Lesion volume was zero"),
    ],
)
def test_without_a_baseline_the_reason_is_told(earlier: History, reason: str) -> None:
    with pytest.raises(NotMeasurable, match=reason):
        change_against_baseline(Measurement(11, "ml"), earlier, measurement="Lesion volume")
