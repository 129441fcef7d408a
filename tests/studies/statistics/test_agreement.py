from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.agreement import Limits, bland_altman
from studies.statistics.estimate import Estimate, Interval, NotComputable
from studies.statistics.reliability import Correlation, icc
from tests.studies.statistics.published import FLOW_METERS, JUDGES

Measured = st.lists(st.floats(-1e3, 1e3).map(lambda one: round(one, 2)), min_size=3, max_size=30)


def limits(first: list[float], second: list[float]) -> Limits:
    found = bland_altman(first, second)
    assert isinstance(found, Limits)
    return found


def reach(found: Estimate) -> tuple[float, float]:
    assert isinstance(found.interval, Interval)
    return found.interval.low, found.interval.high


def test_bland_and_altmans_flow_meters() -> None:
    """Bland & Altman 1986: mean difference -2.1 l/min, SD 38.8; interval of the bias -22.0 to 17.8.

    Their limits lie 2 SD off (-79.7 and 75.5), ours 1.96 as in their paper of 1999; their interval of a limit takes
    sqrt(3/n) where the paper of 1999, and we, take sqrt(1/n + 1.96^2/2(n-1)).
    """
    large, mini = zip(*FLOW_METERS, strict=True)
    found = limits(list(large), list(mini))
    assert (found.bias.value, found.standard_deviation) == pytest.approx((-2.1, 38.8), abs=0.05)
    assert reach(found.bias) == pytest.approx((-22.0, 17.8), abs=0.05)
    assert (found.lower.value, found.upper.value) == pytest.approx(
        (-2.118 - 1.96 * 38.765, -2.118 + 1.96 * 38.765), abs=0.01
    )
    assert found.of == 17
    assert isinstance(found.proportional_bias, Estimate)
    low, high = reach(found.proportional_bias)
    assert low < 0 < high


def test_bland_and_altmans_blood_pressures() -> None:
    """Bland & Altman 1999, Stat Methods Med Res 8:135, section 2: any 85 differences of mean -16.29 and SD 19.61 mmHg.

    Bias -16.29 (-20.5 to -12.1), limits -54.7 (-61.9 to -47.5) and 22.1 (14.9 to 29.3), where they take 1.71 SD/sqrt(n)
    for the standard error of a limit, and we the 1.7156 that it stands for.
    """
    raw = np.linspace(-1, 1, 85)
    differences = -16.29 + 19.61 * (raw - raw.mean()) / raw.std(ddof=1)
    found = limits(list(120 + differences), [120.0] * 85)
    assert reach(found.bias) == pytest.approx((-20.5, -12.1), abs=0.05)
    assert (found.lower.value, *reach(found.lower)) == pytest.approx((-54.7, -61.9, -47.5), abs=0.1)
    assert (found.upper.value, *reach(found.upper)) == pytest.approx((22.1, 14.9, 29.3), abs=0.15)


def test_a_bias_that_grows_with_the_size_shows_in_the_slope() -> None:
    found = limits([1.1, 2.2, 3.3, 4.4], [1.0, 2.0, 3.0, 4.0])
    assert isinstance(found.proportional_bias, Estimate)
    assert found.proportional_bias.value == pytest.approx(0.1 / 1.05)


def test_a_single_pair_has_no_limits() -> None:
    found = bland_altman([1.0], [2.0])
    assert found == NotComputable(reason="Limits of agreement need two pairs of measurements at least.", of=1)
    assert isinstance(limits([1.0, 2.0], [2.0, 2.5]).proportional_bias, NotComputable)


def test_lists_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="do not pair"):
        bland_altman([1.0], [])
    with pytest.raises(ValueError, match="not finite"):
        bland_altman([1.0, float("inf")], [1.0, 1.0])


@settings(deadline=None, max_examples=40)
@given(Measured)
def test_swapping_the_methods_mirrors_bias_and_limits(values: list[float]) -> None:
    first, second = values, values[::-1]
    one, other = limits(first, second), limits(second, first)
    assert one.bias.value == pytest.approx(-other.bias.value, abs=1e-9)
    assert one.lower.value == pytest.approx(-other.upper.value, abs=1e-9)
    assert one.lower.value <= one.bias.value <= one.upper.value


def test_shrout_and_fleiss_judges() -> None:
    """Shrout & Fleiss 1979, table 4: ICC(2,1) 0.29. Its interval, 0.019 to 0.761, as psych and irr print it in R."""
    found = icc(JUDGES)
    assert isinstance(found, Correlation) and isinstance(found.interval, Interval)
    assert found.value == pytest.approx(0.29, abs=0.005)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.019, 0.761), abs=5e-4)
    assert (found.of, found.raters) == (6, 4)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([], "two subjects"),
        ([[1.0, 2.0]], "two subjects"),
        ([[1.0], [2.0]], "two raters"),
        ([[1, 1], [1, 1]], "differ"),
    ],
)
def test_a_correlation_that_cannot_be_says_why(table: list[list[float]], reason: str) -> None:
    found = icc(table)
    assert isinstance(found, NotComputable)
    assert reason in found.reason


def test_raters_who_agree_without_exception_have_no_interval() -> None:
    found = icc([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    assert isinstance(found, Correlation) and found.value == pytest.approx(1.0)
    assert isinstance(found.interval, NotComputable)


def test_a_table_with_holes_is_refused() -> None:
    with pytest.raises(ValueError, match="finite value of every rater"):
        icc([[1.0, float("nan")], [1.0, 2.0]])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=2, max_size=20))
def test_a_correlation_lies_in_its_interval_or_says_why_there_is_none(table: list[tuple[int, int, int]]) -> None:
    found = icc(table)
    if isinstance(found, Correlation) and isinstance(found.interval, Interval):
        assert found.value <= 1
        assert found.interval.low <= found.value + 1e-9
        assert found.value - 1e-9 <= found.interval.high <= 1
