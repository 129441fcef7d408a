"""Round numbers at axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.ticks import round_numbers

ENDS = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize(
    ("low", "high", "steps", "numbers"),
    [
        (0.0, 1.0, 5, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 7.3, 5, [0.0, 2.0, 4.0, 6.0]),
        (-0.31, 0.29, 6, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2]),
        (98.0, 103.0, 5, [98.0, 99.0, 100.0, 101.0, 102.0, 103.0]),
    ],
)
def test_numbers_of_an_axis_are_round(low: float, high: float, steps: int, numbers: list[float]) -> None:
    assert round_numbers(low, high, steps=steps) == numbers


@given(low=ENDS, width=st.floats(1e-3, 1e6), steps=st.integers(2, 10))
def test_they_lie_on_the_axis_and_are_no_more_than_asked_for(low: float, width: float, steps: int) -> None:
    found = round_numbers(low, low + width, steps=steps)
    assert len(found) <= steps + 1
    assert all(low - width * 1e-6 <= one <= low + width * (1 + 1e-6) for one in found)


def test_an_axis_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        round_numbers(2.0, 2.0, steps=5)
