from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.estimate import Estimate, Interval, NotComputable
from studies.statistics.means import Mean, mean
from studies.statistics.overlap import mean_dice
from studies.statistics.times import Duration, duration

SLEEP = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0, 1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)
"""Hours of sleep gained by ten patients with each of two drugs: Student 1908, Biometrika 6:1."""


def test_students_sleep() -> None:
    """R, t.test(sleep$extra): mean 1.54, interval 0.5955845 to 2.4844155, 19 degrees of freedom."""
    found = mean(SLEEP)
    assert isinstance(found, Mean) and isinstance(found.interval, Interval)
    assert (found.value, found.interval.low, found.interval.high) == pytest.approx(
        (1.54, 0.5955845, 2.4844155), abs=1e-6
    )
    assert (found.of, found.median) == pytest.approx((20, 0.95))


def test_a_mean_of_dice_is_cut_off_at_one_and_comes_with_quartiles() -> None:
    found = mean_dice([0.99, 1.0, 0.9, 1.0])
    assert isinstance(found, Mean) and isinstance(found.interval, Interval)
    assert found.interval.high == 1.0
    assert (found.lower_quartile, found.median, found.upper_quartile) == pytest.approx((0.9675, 0.995, 1.0))


def test_what_is_no_dice_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_dice([1.2])


def test_a_single_value_has_a_mean_without_interval_and_none_has_none() -> None:
    found = mean([3.0])
    assert isinstance(found, Mean) and isinstance(found.interval, NotComputable)
    assert mean([], what="scores") == NotComputable(reason="There are no scores.")


def test_the_interval_of_a_median_is_conovers() -> None:
    """The method of Conover 1999, section 3.2, on the 16 lifetimes of its example 3.

    By the table of the binomial for 16 and 1/2, 2 P(X <= 3) = 0.0213 and 2 P(X <= 4) = 0.0768, so 95 % of the median
    lie from the 4th to the 13th.
    """
    lifetimes = [46.9, 47.2, 49.1, 56.5, 56.8, 59.2, 59.9, 63.2, 63.3, 63.4, 63.7, 64.1, 67.1, 67.7, 73.3, 78.5]
    found = duration(lifetimes)
    assert isinstance(found, Duration) and isinstance(found.interval, Interval)
    assert found.value == pytest.approx((63.2 + 63.3) / 2)
    assert (found.interval.low, found.interval.high) == (56.5, 67.1)


def test_five_times_are_too_few_for_an_interval_of_their_median() -> None:
    found = duration([5, 1, 4, 2, 3])
    assert isinstance(found, Duration) and found.value == 3
    assert found.interval == NotComputable(reason="5 values are too few for an interval of 95 % of their median.", of=5)
    assert duration([], what="reading times") == NotComputable(reason="No reading times were measured.")
    with pytest.raises(ValueError, match="negative"):
        duration([-1])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=60))
def test_median_and_quartiles_keep_their_order(seconds: list[float]) -> None:
    found = duration(seconds)
    assert isinstance(found, Duration)
    assert found.shortest <= found.lower_quartile <= found.value <= found.upper_quartile <= found.longest
    if isinstance(found.interval, Interval):
        assert found.interval.low <= found.value <= found.interval.high


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_estimate_is_without_a_number(value: float) -> None:
    with pytest.raises(ValueError, match="is no estimate"):
        Estimate(value=value, interval=NotComputable(reason=""), of=1, method="")
    with pytest.raises(ValueError, match="is none"):
        Interval(low=value, high=value)
