"""The intraclass correlation of several raters who measured the same subjects: Shrout & Fleiss 1979."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from studies.statistics.estimate import LEVEL, Estimate, Interval, NotComputable

FEWEST_DEGREES = 0.1
"""Of freedom, below which a quantile of F is astronomical and the interval everything."""


@dataclass(frozen=True, kw_only=True)
class Correlation(Estimate):
    """ICC(2,1). raters: how many measured every subject."""

    raters: int


@dataclass(frozen=True)
class _Squares:
    """Mean squares of a two-way analysis of variance: between subjects, between raters, and what is left."""

    subjects: float
    raters: float
    error: float


def icc(table: Sequence[Sequence[float]], *, level: float = LEVEL) -> Correlation | NotComputable:
    """ICC(2,1), absolute agreement of single measurements by raters taken at random: table[i][j] of subject i, rater j.

    Interval: Shrout & Fleiss 1979, p. 424, the case of McGraw & Wong 1996, ICC(A,1). Every rater measures every
    subject. Assumes normal effects without interaction. Raises ValueError for rows of unequal length or values that
    are not finite.
    """
    values = np.asarray(table, dtype=np.float64)
    if values.size and (values.ndim != 2 or not np.all(np.isfinite(values))):
        raise ValueError("every subject needs a finite value of every rater")
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 2:
        return NotComputable(reason="It takes two subjects and two raters at least.", of=len(values))
    subjects, raters = values.shape
    squares = _squares(values)
    spread = squares.subjects + (raters - 1) * squares.error + raters * (squares.raters - squares.error) / subjects
    if spread <= 0 or squares.subjects <= 0:
        return NotComputable(reason="The subjects do not differ, so nothing can correlate.", of=subjects)
    value = (squares.subjects - squares.error) / spread
    return Correlation(
        value=value,
        interval=_interval(value, squares, subjects=subjects, raters=raters, level=level),
        of=subjects,
        method="Shrout-Fleiss interval of ICC(2,1)",
        raters=raters,
    )


def _squares(values: np.ndarray) -> _Squares:
    subjects, raters = values.shape
    centre = values.mean()
    by_subject, by_rater = values.mean(axis=1), values.mean(axis=0)
    left = values - by_subject[:, None] - by_rater + centre
    return _Squares(
        subjects=float(raters * ((by_subject - centre) ** 2).sum() / (subjects - 1)),
        raters=float(subjects * ((by_rater - centre) ** 2).sum() / (raters - 1)),
        error=float((left**2).sum() / ((subjects - 1) * (raters - 1))),
    )


def _interval(value: float, squares: _Squares, *, subjects: int, raters: int, level: float) -> Interval | NotComputable:
    if squares.error <= 1e-12 * squares.subjects:
        return NotComputable(reason="The raters agree on every subject up to a shift, so nothing varies.", of=subjects)
    ratio = squares.raters / squares.error
    upper = (1 + level) / 2
    inner = subjects * (1 + (raters - 1) * value) - raters * value
    degrees = (
        (raters - 1)
        * (subjects - 1)
        * (raters * value * ratio + inner) ** 2
        / ((subjects - 1) * raters**2 * value**2 * ratio**2 + inner**2)
    )
    if degrees < FEWEST_DEGREES:
        return NotComputable(reason="The raters differ too much for an interval of so few subjects.", of=subjects)
    higher, lower = stats.f.ppf(upper, subjects - 1, degrees), stats.f.ppf(upper, degrees, subjects - 1)
    rest = raters * squares.raters + (raters * subjects - raters - subjects) * squares.error
    return Interval(
        low=float(
            subjects * (squares.subjects - higher * squares.error) / (higher * rest + subjects * squares.subjects)
        ),
        high=float(
            subjects * (lower * squares.subjects - squares.error) / (rest + subjects * lower * squares.subjects)
        ),
        level=level,
    )
