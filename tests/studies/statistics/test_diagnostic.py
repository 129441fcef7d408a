from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.diagnostic import Confusion, accuracy, confusion
from studies.statistics.estimate import Interval, NotComputable
from studies.statistics.proportions import Proportion


def interval(of: Proportion | NotComputable) -> tuple[float, float, float]:
    assert isinstance(of, Proportion) and isinstance(of.interval, Interval)
    return round(of.value, 4), round(of.interval.low, 4), round(of.interval.high, 4)


def test_altman_and_blands_liver_scans() -> None:
    """Altman & Bland 1994, BMJ 308:1552 and 309:102: 258 patients with abnormal pathology, 86 with normal.

    Sensitivity 0.90, specificity 0.63, PPV 0.88 and NPV 0.67, as they print them.
    """
    found = accuracy(Confusion(true_positives=231, false_negatives=27, false_positives=32, true_negatives=54))
    assert interval(found.sensitivity)[0] == pytest.approx(0.90, abs=0.005)
    assert interval(found.specificity)[0] == pytest.approx(0.63, abs=0.005)
    assert interval(found.positive_predictive_value)[0] == pytest.approx(0.88, abs=0.005)
    assert interval(found.negative_predictive_value)[0] == pytest.approx(0.67, abs=0.005)
    assert [one.of for one in (found.sensitivity, found.specificity, found.positive_predictive_value)] == [258, 86, 263]
    assert found.accuracy.of == found.confusion.of == 344


def test_without_negative_cases_there_is_no_specificity_and_it_says_so() -> None:
    found = accuracy(confusion([(True, True), (True, False)]))
    assert isinstance(found.specificity, NotComputable)
    assert found.specificity.reason == "There are no cases that are negative in truth to count."
    assert interval(found.sensitivity)[0] == 0.5


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_the_four_counts_add_up_and_swapping_the_truth_swaps_sensitivity_and_specificity(
    pairs: list[tuple[bool, bool]],
) -> None:
    found, swapped = confusion(pairs), confusion([(not true, not said) for true, said in pairs])
    assert found.of == len(pairs)
    assert (found.true_positives, found.false_positives) == (swapped.true_negatives, swapped.false_negatives)
    one, other = accuracy(found), accuracy(swapped)
    if isinstance(one.sensitivity, Proportion):
        assert isinstance(other.specificity, Proportion)
        assert one.sensitivity.value == other.specificity.value
