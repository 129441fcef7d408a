"""Agreement beyond chance: Cohen's kappa of two raters, weighted or not, and Fleiss' of many."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from statsmodels.stats.inter_rater import cohens_kappa

from studies.statistics.estimate import (
    LEVEL,
    Estimate,
    Interval,
    NotComputable,
    Numbers,
    around,
    normal_quantile,
    t_quantile,
)

Weights = Literal["unweighted", "linear", "quadratic"]
"""How far apart two answers are: any difference alike, by steps, or by steps squared."""

FEWEST = 2
ALIKE = "All answers are the same category, so agreement by chance is complete and kappa is not defined."


@dataclass(frozen=True, kw_only=True)
class Kappa(Estimate):
    """-1 to 1. observed: the share that agrees (by weight, where there are weights); expected: that by chance."""

    standard_error: float
    observed: float
    expected: float


def cohen(
    pairs: Sequence[tuple[Hashable, Hashable]],
    categories: Sequence[Hashable],
    *,
    weights: Weights = "unweighted",
    level: float = LEVEL,
) -> Kappa | NotComputable:
    """Cohen's kappa of pairs of (first rater, second rater): Cohen 1960, weighted Cohen 1968.

    categories: all that may be answered, in their order where there are weights. The standard error is that of
    Fleiss, Cohen & Everitt 1969 for kappa as it is, not for zero; the interval is normal, cut off at -1 and 1. Assumes
    independent pairs. Raises ValueError for an answer that is no category.
    """
    if not pairs:
        return NotComputable(reason="There is no case that both answered.")
    table = _table(pairs, categories)
    shares = table / table.sum()
    weight = _weight(len(categories), weights)
    by_chance = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    observed, expected = float((weight * shares).sum()), float((weight * by_chance).sum())
    if math.isclose(expected, 1.0):
        return NotComputable(reason=ALIKE, of=len(pairs))
    with np.errstate(divide="ignore", invalid="ignore"):  # of its test of kappa = 0, where nothing varies
        found = cohens_kappa(table, wt=None if weights == "unweighted" else weights)
    return _kappa(
        float(found.kappa),
        math.sqrt(max(0.0, float(found.var_kappa))),
        quantile=normal_quantile(level),
        level=level,
        of=len(pairs),
        method="Fleiss-Cohen-Everitt interval" + ("" if weights == "unweighted" else f", {weights} weights"),
        shares=(observed, expected),
    )


def fleiss(counts: Sequence[Sequence[int]], *, level: float = LEVEL) -> Kappa | NotComputable:
    """Fleiss' kappa: counts[i][k] raters put subject i into category k: Fleiss 1971, for unequal numbers Gwet 2014.

    Subjects with one rater say nothing of agreement, but count in how often each category is used. The standard error
    is Gwet's for kappa as it is (2014, 2021; that of Fleiss, Nee & Landis 1979 holds for zero alone), the interval
    Student's with one degree of freedom less than subjects. Assumes independent subjects.
    """
    table = np.asarray(counts, dtype=np.float64).reshape(len(counts), len(counts[0]) if counts else 0)
    table = table[table.sum(axis=1) > 0]
    raters = table.sum(axis=1)
    several = int((raters > 1).sum())
    if several < FEWEST:
        return NotComputable(reason="It takes two cases at least that two or more raters answered.", of=several)
    pairs = np.maximum(raters * (raters - 1), 1)
    agreeing = (table * (table - 1)).sum(axis=1) / pairs
    used = table / raters[:, None]
    usual = used.mean(axis=0)
    observed, expected = float(agreeing.sum() / several), float((usual**2).sum())
    if math.isclose(expected, 1.0):
        return NotComputable(reason=ALIKE, of=several)
    value = (observed - expected) / (1 - expected)
    share = len(table) / several
    own = share * (agreeing - expected * (raters > 1)) / (1 - expected)
    return _kappa(
        value,
        _fleiss_error(own, used @ usual, value, expected),
        quantile=t_quantile(level, len(table) - 1),
        level=level,
        of=several,
        method="Gwet interval",
        shares=(observed, expected),
    )


def _fleiss_error(own: Numbers, chance: Numbers, value: float, expected: float) -> float:
    """From what each subject adds to kappa, linearised: Gwet 2014, chapter 5."""
    linear = own - 2 * (1 - value) * (chance - expected) / (1 - expected)
    return math.sqrt(float(((linear - value) ** 2).sum()) / (own.size * (own.size - 1)))


def _kappa(
    value: float,
    error: float,
    *,
    quantile: float,
    level: float,
    of: int,
    method: str,
    shares: tuple[float, float],
) -> Kappa:
    interval: Interval | NotComputable
    if error < 1e-9:
        interval = NotComputable(reason="Nothing varies between the cases, so the standard error is zero.", of=of)
    else:
        interval = around(value, quantile * error, level=level, within=(-1.0, 1.0))
    return Kappa(
        value=value,
        interval=interval,
        of=of,
        method=method,
        standard_error=error,
        observed=shares[0],
        expected=shares[1],
    )


def _table(pairs: Sequence[tuple[Hashable, Hashable]], categories: Sequence[Hashable]) -> Numbers:
    place = {category: number for number, category in enumerate(categories)}
    table = np.zeros((len(place), len(place)))
    for first, second in pairs:
        if first not in place or second not in place:
            raise ValueError(f"{first if first not in place else second} is none of the categories")
        table[place[first], place[second]] += 1
    return table


def _weight(size: int, weights: Weights) -> Numbers:
    """How much of an agreement each pair of categories is: 1 on the diagonal, 0 farthest from it."""
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / max(1, size - 1)
    weight: dict[Weights, Numbers] = {
        "unweighted": (steps == 0).astype(np.float64),
        "linear": 1 - steps,
        "quadratic": 1 - steps**2,
    }
    return weight[weights]
