from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.estimate import Interval, NotComputable
from studies.statistics.proportions import PairedDifference, paired_difference, proportion


@pytest.mark.parametrize(
    ("successes", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_newcombes(successes: int, of: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    found = proportion(successes, of)
    assert not isinstance(found, NotComputable)
    assert isinstance(found.interval, Interval)
    assert (found.value, found.of, found.successes) == (successes / of, of, successes)
    assert (round(found.interval.low, 4), round(found.interval.high, 4)) == (low, high)


def test_nothing_to_count_is_said() -> None:
    assert proportion(0, 0, what="positive cases") == NotComputable(reason="There are no positive cases to count.")


@pytest.mark.parametrize(("successes", "of"), [(3, 2), (-1, 2)])
def test_counts_that_are_none_are_refused(successes: int, of: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        proportion(successes, of)


def test_newcombes_interval_of_paired_proportions() -> None:
    """Fagerland, Lydersen & Laake 2014, Stat Med 33:2850, airways of 21 patients before and after transplantation:

    1 hyper-responsive at both times, 1 before alone, 7 after alone, 12 never: -0.286 (-0.507 to -0.026).
    """
    found = paired_difference(both=1, first_only=1, second_only=7, neither=12)
    assert isinstance(found, PairedDifference) and isinstance(found.interval, Interval)
    assert (found.value, found.interval.low, found.interval.high) == pytest.approx((-0.286, -0.507, -0.026), abs=5e-4)


def test_no_pairs_have_no_difference() -> None:
    found = paired_difference(both=0, first_only=0, second_only=0, neither=0, what="pairs")
    assert found == NotComputable(reason="There are no pairs to count.")
    with pytest.raises(ValueError, match="no counts"):
        paired_difference(both=1, first_only=-1, second_only=0, neither=0)


@settings(deadline=None, max_examples=50)
@given(st.tuples(*[st.integers(0, 40)] * 4).filter(any))
def test_a_paired_difference_mirrors_and_lies_in_its_interval(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    found = paired_difference(both=both, first_only=first, second_only=second, neither=neither)
    other = paired_difference(both=both, first_only=second, second_only=first, neither=neither)
    assert isinstance(found, PairedDifference) and isinstance(found.interval, Interval)
    assert isinstance(other, PairedDifference) and isinstance(other.interval, Interval)
    assert -1 <= found.interval.low <= found.value <= found.interval.high <= 1
    assert (other.value, other.interval.low) == pytest.approx((-found.value, -found.interval.high))


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        proportion(1, 2, level=level)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_holds_the_estimate_mirrors_and_shrinks_with_the_level(counts: tuple[int, int]) -> None:
    successes, of = counts
    found, mirrored, narrow = proportion(successes, of), proportion(of - successes, of), proportion(*counts, level=0.5)
    assert not isinstance(found, NotComputable) and isinstance(found.interval, Interval)
    assert not isinstance(mirrored, NotComputable) and isinstance(mirrored.interval, Interval)
    assert not isinstance(narrow, NotComputable) and isinstance(narrow.interval, Interval)
    assert 0 <= found.interval.low <= found.value <= found.interval.high <= 1
    assert mirrored.interval.low == pytest.approx(1 - found.interval.high, abs=1e-12)
    assert narrow.interval.high - narrow.interval.low < found.interval.high - found.interval.low
