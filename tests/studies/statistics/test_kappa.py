from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.estimate import Interval, NotComputable
from studies.statistics.kappa import Kappa, Weights, cohen, fleiss
from tests.studies.statistics.published import (
    ABSTRACTORS,
    ANXIETY,
    FOUR_RATERS,
    PSYCHIATRISTS,
    PSYCHIATRISTS_OF_15,
    SKIN,
)

Answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def pairs_of(table: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    cells = [(row, column) for row in range(len(table)) for column in range(len(table))]
    return [(row, column) for row, column in cells for _ in range(table[row][column])]


def counts_of(ratings: Sequence[str], categories: str = "12345") -> list[list[int]]:
    return [[row.count(one) for one in categories] for row in ratings]


def kappa(found: Kappa | NotComputable) -> Kappa:
    assert isinstance(found, Kappa)
    return found


def test_cohens_kappa_and_its_standard_error_are_gwets() -> None:
    """irrCAC, kappa2.table(cont3x3abstractors): 0.7964094, standard error 0.05891072."""
    found = kappa(cohen(pairs_of(ABSTRACTORS), [0, 1, 2]))
    assert (found.value, found.standard_error) == pytest.approx((0.7964094, 0.05891072), abs=5e-8)
    assert (found.observed, found.of) == pytest.approx((0.89, 100))
    assert isinstance(found.interval, Interval)
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.959964 * 0.05891072, abs=1e-6)


@pytest.mark.parametrize(
    ("weights", "published"),
    [("unweighted", (0.3449, 0.0724, 0.2030, 0.4868)), ("linear", (0.5082, 0.0655, 0.3798, 0.6366))],
)
def test_kappa_weighted_and_not_is_that_of_sas(weights: Weights, published: tuple[float, ...]) -> None:
    """SAS/STAT, PROC FREQ: kappa 0.3449 (0.0724; 0.2030 to 0.4868), weighted 0.5082 (0.0655; 0.3798 to 0.6366)."""
    found = kappa(cohen(pairs_of(SKIN), [0, 1, 2, 3], weights=weights))
    assert isinstance(found.interval, Interval)
    seen = (found.value, found.standard_error, found.interval.low, found.interval.high)
    assert seen == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(
    ("weights", "published"), [("unweighted", -0.006289308), ("linear", 0.1459075), ("quadratic", 0.2520325)]
)
def test_all_three_weights_are_those_of_irr(weights: Weights, published: float) -> None:
    """irr, kappa2(anxiety[, 2:3], weight): -0.00629, "equal" 0.146, "squared" 0.252, of the five answers given."""
    found = cohen([(both[0], both[1]) for both in ANXIETY.split()], ["1", "2", "3", "4", "6"], weights=weights)
    assert kappa(found).value == pytest.approx(published, abs=5e-7)


def test_fleiss_kappa_of_the_psychiatrists() -> None:
    """Fleiss 1971: kappa 0.430 of 30 patients, observed 0.556, expected 0.220."""
    found = kappa(fleiss(counts_of(PSYCHIATRISTS.split())))
    assert (found.value, found.observed, found.expected) == pytest.approx((0.430, 0.556, 0.220), abs=5e-4)
    assert found.of == 30


def test_the_interval_of_fleiss_kappa_is_gwets() -> None:
    """irrCAC, fleiss.kappa.dist(distrib.6raters): 0.4139265, standard error 0.08119291, 0.240 to 0.588."""
    found = kappa(fleiss(PSYCHIATRISTS_OF_15))
    assert (found.value, found.standard_error) == pytest.approx((0.4139265, 0.08119291), abs=5e-8)
    assert isinstance(found.interval, Interval)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.240, 0.588), abs=5e-4)


def test_where_not_all_raters_answered_fleiss_kappa_is_gwets_too() -> None:
    """irrCAC, fleiss.kappa.raw(cac.raw4raters): 0.76117, standard error 0.15302, 0.424 to 1, observed 0.8181818."""
    found = kappa(fleiss(counts_of(FOUR_RATERS)))
    assert (found.value, found.standard_error) == pytest.approx((0.76117, 0.15302), abs=5e-6)
    assert (found.observed, found.expected, found.of) == pytest.approx((0.8181818, 0.2387153, 11))
    assert isinstance(found.interval, Interval)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.424, 1.0), abs=5e-4)


def test_what_cannot_be_computed_says_why() -> None:
    nobody = cohen([], [0, 1])
    assert nobody == NotComputable(reason="There is no case that both answered.")
    alike = cohen([(1, 1), (1, 1)], [0, 1])
    assert isinstance(alike, NotComputable) and "same category" in alike.reason and alike.of == 2
    assert isinstance(fleiss([[3, 0], [3, 0]]), NotComputable)
    assert isinstance(fleiss([[1, 0], [0, 1]]), NotComputable)
    assert isinstance(fleiss([]), NotComputable)


def test_agreement_without_exception_has_no_interval() -> None:
    found = kappa(cohen([(0, 0), (1, 1)], [0, 1]))
    assert found.value == 1.0
    assert isinstance(found.interval, NotComputable)


def test_an_answer_that_is_no_category_is_refused() -> None:
    with pytest.raises(ValueError, match="maybe is none of the categories"):
        cohen([("yes", "maybe")], ["yes", "no"])


@settings(deadline=None, max_examples=50)
@given(Answers)
def test_kappa_does_not_mind_who_is_first_nor_the_names_of_categories(answers: list[tuple[int, int]]) -> None:
    one = cohen(answers, range(4))
    other = cohen([(3 - second, 3 - first) for first, second in answers], range(4))
    if isinstance(one, NotComputable):
        assert isinstance(other, NotComputable)
        return
    assert one.value == pytest.approx(kappa(other).value)
    assert one.standard_error == pytest.approx(kappa(other).standard_error, abs=1e-7)
    assert -1 <= one.value <= 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=40))
def test_of_two_categories_all_weights_are_one(answers: list[tuple[int, int]]) -> None:
    found = [cohen(answers, [0, 1], weights=weights) for weights in ("unweighted", "linear", "quadratic")]
    values = [one.value for one in found if isinstance(one, Kappa)]
    assert len(values) in (0, 3)
    assert values == pytest.approx(values[:1] * len(values))
