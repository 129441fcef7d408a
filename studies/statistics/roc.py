"""The area under the ROC curve, and the difference of two of the same cases, by DeLong, DeLong & Clarke-Pearson 1988.

The area is the Mann-Whitney statistic: the chance that a positive case has a higher score than a negative one, ties
counted half. Its variance comes from the placement values, which are ranks: Sun & Xu 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from studies.statistics.estimate import (
    LEVEL,
    Estimate,
    Interval,
    NotComputable,
    Numbers,
    around,
    finite,
    normal_quantile,
)

DELONG = "DeLong interval"
NOTHING = 1e-12
"""A standard error below this is one of rounding."""
FEWEST = 2
"""Cases of each kind below which there is no variance."""


@dataclass(frozen=True, kw_only=True)
class Area(Estimate):
    """An area under the ROC curve, 0 to 1. standard_error: DeLong's, None where a kind has one case alone."""

    standard_error: float | None
    positives: int
    negatives: int


@dataclass(frozen=True, kw_only=True)
class AreaDifference(Estimate):
    """`first` minus `second`. p_value: two-sided, of no difference; None where nothing varies."""

    first: Area
    second: Area
    standard_error: float
    p_value: float | None


@dataclass(frozen=True)
class _Placements:
    """Of each positive the share of negatives below it, and of each negative the share of positives above it."""

    positives: Numbers
    negatives: Numbers

    @property
    def area(self) -> float:
        return float(np.mean(self.positives))


def area(truths: Sequence[bool], scores: Sequence[float], *, level: float = LEVEL) -> Area | NotComputable:
    """The area with DeLong's interval on the plain scale, area -+ z standard errors, cut off at 0 and 1.

    Plain rather than logit, since that is what is meant by "DeLong's interval" where results are compared (pROC, SAS);
    near 1 and with few cases it is too narrow. Assumes independent cases. Raises ValueError for lists of unequal
    length and scores that are not finite.
    """
    return mean_area(truths, [scores], level=level)


def mean_area(
    truths: Sequence[bool], scores: Sequence[Sequence[float]], *, level: float = LEVEL
) -> Area | NotComputable:
    """The mean of several readers' areas over the same cases; scores[r] are those of reader r.

    The mean of placement values is the placement value of the mean, so DeLong's variance of it takes in that readers
    share cases. The readers are taken as fixed: nothing is said of readers other than these. Raises ValueError as
    `area` does.
    """
    found = _placements(truths, scores)
    return found if isinstance(found, NotComputable) else _area(found, level)


def difference(
    truths: Sequence[bool],
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    *,
    level: float = LEVEL,
) -> AreaDifference | NotComputable:
    """The mean area of `first` less that of `second`, with their covariance: scores of the same cases, as `mean_area`.

    Raises ValueError as `area` does.
    """
    one, other = _placements(truths, first), _placements(truths, second)
    if isinstance(one, NotComputable):
        return one
    if isinstance(other, NotComputable):
        return other
    if min(one.positives.size, one.negatives.size) < FEWEST:
        return NotComputable(reason=_TOO_FEW, of=len(truths))
    spread = math.sqrt(max(0.0, _variance(one.positives - other.positives, one.negatives - other.negatives)))
    value = one.area - other.area
    none_varies = spread < NOTHING
    return AreaDifference(
        value=value,
        interval=NotComputable(reason="The two never differ in how they rank a pair of cases.", of=len(truths))
        if none_varies
        else around(value, normal_quantile(level) * spread, level=level, within=(-1.0, 1.0)),
        of=len(truths),
        method="DeLong interval of two correlated areas",
        first=_area(one, level),
        second=_area(other, level),
        standard_error=spread,
        p_value=None if none_varies else float(2 * stats.norm.sf(abs(value) / spread)),
    )


def curve(truths: Sequence[bool], scores: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The corners of the empirical ROC curve, (1 - specificity, sensitivity), from (0, 0) to (1, 1).

    Empty where a kind of case is missing. Raises ValueError as `area` does.
    """
    true, values = _paired(truths, scores)
    if true.all() or not true.any():
        return ()
    thresholds = np.unique(values)[::-1]
    found = [((values[~true] >= one).mean(), (values[true] >= one).mean()) for one in thresholds]
    return ((0.0, 0.0), *((float(false), float(hit)) for false, hit in found))


_LACKS_A_KIND = "An area needs cases that are positive in truth and cases that are negative."
_TOO_FEW = "With a single positive or a single negative case there is no variance to make an interval of."


def _placements(truths: Sequence[bool], scores: Sequence[Sequence[float]]) -> _Placements | NotComputable:
    """The placement values, their means where there are several readers. Raises ValueError."""
    found = [_placed(*_paired(truths, one)) for one in scores]
    if not any(truths) or all(truths) or not found:
        return NotComputable(reason=_LACKS_A_KIND, of=len(truths))
    return _Placements(*(np.mean([one[kind] for one in found], axis=0) for kind in (0, 1)))


def _placed(true: NDArray[np.bool_], values: Numbers) -> tuple[Numbers, Numbers]:
    positives, negatives = values[true], values[~true]
    ranks = stats.rankdata(values)
    # A case's rank among all, less its rank among its own kind, counts those of the other kind below it, ties half.
    below = (ranks[true] - stats.rankdata(positives)) / max(1, negatives.size)
    above = 1 - (ranks[~true] - stats.rankdata(negatives)) / max(1, positives.size)
    return below, above


def _paired(truths: Sequence[bool], scores: Sequence[float]) -> tuple[NDArray[np.bool_], Numbers]:
    if len(truths) != len(scores):
        raise ValueError(f"{len(truths)} truths do not go with {len(scores)} scores")
    return np.asarray(truths, dtype=bool), finite(scores)


def _area(found: _Placements, level: float) -> Area:
    of = found.positives.size + found.negatives.size
    enough = min(found.positives.size, found.negatives.size) >= FEWEST
    error = math.sqrt(_variance(found.positives, found.negatives)) if enough else None
    return Area(
        value=found.area,
        interval=_interval(found.area, error, of=of, level=level),
        of=of,
        method=DELONG,
        standard_error=error,
        positives=found.positives.size,
        negatives=found.negatives.size,
    )


def _interval(value: float, error: float | None, *, of: int, level: float) -> Interval | NotComputable:
    if error is None:
        return NotComputable(reason=_TOO_FEW, of=of)
    if error < NOTHING:
        return NotComputable(reason="All pairs of cases are ranked alike, so DeLong's variance is zero.", of=of)
    return around(value, normal_quantile(level) * error, level=level, within=(0.0, 1.0))


def _variance(positives: Numbers, negatives: Numbers) -> float:
    return float(np.var(positives, ddof=1) / positives.size + np.var(negatives, ddof=1) / negatives.size)
