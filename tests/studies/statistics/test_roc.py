from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from studies.statistics.estimate import Interval, NotComputable
from studies.statistics.roc import Area, AreaDifference, area, curve, difference, mean_area
from tests.studies.statistics.published import (
    ANEURYSM_GOOD,
    ANEURYSM_POOR,
    OVARY,
    RATINGS_ABNORMAL,
    RATINGS_NORMAL,
)

OUTCOMES = [False] * len(ANEURYSM_GOOD) + [True] * len(ANEURYSM_POOR)
WFNS, S100B = ([row[column] for row in (*ANEURYSM_GOOD, *ANEURYSM_POOR)] for column in (0, 1))
NUMBERS = [float(one) for one in OVARY.split()]
ALBUMIN, PROTEIN, SCORE = ([-one for one in NUMBERS[column::4]] for column in (0, 1, 2))
FAILED = [one == 0 for one in NUMBERS[3::4]]
KG_SCORE = [-one for one in SCORE]  # a high score speaks for failure, a high albumin against it

Scored = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


def numbers(found: Area | NotComputable) -> tuple[float, float, float]:
    assert isinstance(found, Area) and isinstance(found.interval, Interval)
    return found.value, found.interval.low, found.interval.high


def compared(truths: list[bool], first: list[float], second: list[float]) -> AreaDifference:
    found = difference(truths, [first], [second])
    assert isinstance(found, AreaDifference)
    return found


def test_areas_and_intervals_are_those_of_proc() -> None:
    """Robin et al. 2011, BMC Bioinformatics 12:77: WFNS 82.4 % (74.9 to 89.9), S100b 73.1 % (63.0 to 83.3)."""
    assert numbers(area(OUTCOMES, WFNS)) == pytest.approx((0.8237, 0.7485, 0.8988), abs=5e-5)
    assert numbers(area(OUTCOMES, S100B)) == pytest.approx((0.7314, 0.6301, 0.8326), abs=5e-5)


def test_two_correlated_areas_are_compared_as_in_proc() -> None:
    """The example of `roc.test` in pROC: DeLong's test for two correlated ROC curves, Z = 2.209, p = 0.02718."""
    found = compared(OUTCOMES, WFNS, S100B)
    assert found.value / found.standard_error == pytest.approx(2.209, abs=5e-4)
    assert found.p_value == pytest.approx(0.02718, abs=5e-6)


def test_areas_of_delongs_own_data_are_those_of_sas() -> None:
    """SAS: albumin 0.7366 (0.0927; 0.5549 to 0.9182), total protein 0.6478 (0.1000), K-G score 0.7258 (0.1028)."""
    found = [area(FAILED, scores) for scores in (ALBUMIN, PROTEIN, KG_SCORE)]
    errors = [one.standard_error for one in found if isinstance(one, Area)]
    assert [numbers(one)[0] for one in found] == pytest.approx([0.7366, 0.6478, 0.7258], abs=5e-5)
    assert errors == pytest.approx([0.0927, 0.1000, 0.1028], abs=5e-5)
    assert numbers(found[0])[1:] == pytest.approx((0.5549, 0.9182), abs=5e-5)


def test_contrasts_of_delongs_own_data_are_those_of_sas() -> None:
    """SAS: albumin less K-G score 0.0108 (0.0953), p 0.9102; total protein less K-G score -0.0780 (0.1046)."""
    albumin, protein = compared(FAILED, ALBUMIN, KG_SCORE), compared(FAILED, PROTEIN, KG_SCORE)
    assert (albumin.value, albumin.standard_error) == pytest.approx((0.0108, 0.0953), abs=5e-5)
    assert albumin.p_value == pytest.approx(0.9102, abs=2e-4)
    assert (protein.value, protein.standard_error) == pytest.approx((-0.0780, 0.1046), abs=5e-5)


def test_ties_of_a_rating_scale_count_half() -> None:
    """Hanley & McNeil 1982: 0.893. Stata's `roctab` of these ratings: 0.8932, DeLong's 0.0307, 0.8330 to 0.9534."""
    ratings = [(False, RATINGS_NORMAL), (True, RATINGS_ABNORMAL)]
    cases = [(true, rating) for true, counts in ratings for rating, n in enumerate(counts) for _ in range(n)]
    found = area([true for true, _ in cases], [rating for _, rating in cases])
    assert numbers(found) == pytest.approx((0.8932, 0.8330, 0.9534), abs=5e-5)
    assert isinstance(found, Area) and found.standard_error == pytest.approx(0.0307, abs=5e-5)


def test_the_mean_area_of_readers_has_the_variance_of_delongs_covariance_matrix() -> None:
    """DeLong 1988: Var(A - B) = Var(A) + Var(B) - 2 Cov and Var((A + B) / 2) = (Var(A) + Var(B) + 2 Cov) / 4."""
    mean, apart = mean_area(OUTCOMES, [WFNS, S100B]), compared(OUTCOMES, WFNS, S100B)
    assert isinstance(mean, Area) and mean.standard_error is not None
    variances = [one.standard_error**2 for one in (apart.first, apart.second) if one.standard_error is not None]
    covariance = (sum(variances) - apart.standard_error**2) / 2
    assert mean.value == pytest.approx((0.8236789 + 0.7313686) / 2, abs=1e-7)
    assert mean.standard_error**2 == pytest.approx((sum(variances) + 2 * covariance) / 4)


def test_the_curve_passes_through_the_shares_of_each_threshold() -> None:
    corners = curve([True, True, False, False], [3, 1, 2, 1])
    assert corners == ((0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (1.0, 1.0))


@pytest.mark.parametrize("truths", [[True, True], [False, False], []])
def test_without_both_kinds_of_case_there_is_no_area(truths: list[bool]) -> None:
    found = area(truths, [1.0] * len(truths))
    assert found == NotComputable(
        reason="An area needs cases that are positive in truth and cases that are negative.", of=len(truths)
    )
    assert curve(truths, [1.0] * len(truths)) == ()


def test_a_perfect_ranking_has_no_interval_and_says_why() -> None:
    found = area([True, True, False, False], [4, 3, 2, 1])
    assert isinstance(found, Area) and found.value == 1.0
    assert isinstance(found.interval, NotComputable) and "variance is zero" in found.interval.reason


def test_a_single_positive_case_has_no_interval() -> None:
    found = area([True, False, False], [2, 1, 3])
    assert isinstance(found, Area) and found.value == 0.5 and found.standard_error is None
    assert isinstance(found.interval, NotComputable) and "single" in found.interval.reason
    assert isinstance(difference([True, False, False], [[2, 1, 3]], [[1, 2, 3]]), NotComputable)


def test_scores_that_rank_alike_do_not_differ() -> None:
    found = compared([True, True, False, False], [4, 2, 3, 1], [40, 20, 30, 10])
    assert (found.value, found.p_value) == (0.0, None)
    assert isinstance(found.interval, NotComputable)


def test_what_is_no_list_of_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="2 truths do not go with 1 scores"):
        area([True, False], [1.0])
    with pytest.raises(ValueError, match="not finite"):
        area([True, False], [1.0, float("nan")])


@settings(deadline=None, max_examples=50)
@given(Scored)
def test_the_area_is_the_share_of_pairs_ranked_right(cases: list[tuple[bool, int]]) -> None:
    truths, scores = [true for true, _ in cases], [score for _, score in cases]
    high = [score for true, score in cases if true]
    low = [score for true, score in cases if not true]
    found = area(truths, scores)
    if not high or not low:
        assert isinstance(found, NotComputable)
        return
    assert isinstance(found, Area)
    assert found.value == pytest.approx(stats.mannwhitneyu(high, low).statistic / (len(high) * len(low)))
    mirrored = area(truths, [-score for score in scores])
    assert isinstance(mirrored, Area) and mirrored.value == pytest.approx(1 - found.value)
    assert mirrored.standard_error == (found.standard_error and pytest.approx(found.standard_error))
    points = curve(truths, scores)
    trapezes = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    assert trapezes == pytest.approx(found.value)
