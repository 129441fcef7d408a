"""Times: reading times, turnaround. They are skewed, so the median and the quartiles describe them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from studies.statistics.estimate import LEVEL, Estimate, Interval, NotComputable, finite

ORDER = "Order-statistic interval of the median"


@dataclass(frozen=True, kw_only=True)
class Duration(Estimate):
    """`value` is the median, in seconds as everything here; quartiles by linear interpolation."""

    lower_quartile: float
    upper_quartile: float
    mean: float
    shortest: float
    longest: float
    ninetieth: float


def duration(seconds: Iterable[float], *, what: str = "times", level: float = LEVEL) -> Duration | NotComputable:
    """The median with the interval between two order statistics that the binomial gives: Conover 1999, section 3.2.

    Free of any assumption on the distribution; assumes independent times. With fewer than six values no interval of
    95 % lies between them. Raises ValueError for a time that is negative or not finite.
    """
    found = finite(seconds)
    if not found.size:
        return NotComputable(reason=f"No {what} were measured.")
    if found.min() < 0:
        raise ValueError("a time is negative")
    lower, middle, upper, ninetieth = (float(one) for one in np.percentile(found, [25, 50, 75, 90]))
    return Duration(
        value=middle,
        interval=_of_median(found.tolist(), level),
        of=int(found.size),
        method=ORDER,
        lower_quartile=lower,
        upper_quartile=upper,
        mean=float(found.mean()),
        shortest=float(found.min()),
        longest=float(found.max()),
        ninetieth=ninetieth,
    )


def _of_median(seconds: list[float], level: float) -> Interval | NotComputable:
    found = stats.quantile_test(seconds, p=0.5).confidence_interval(level)
    if math.isfinite(found.low) and math.isfinite(found.high):
        return Interval(low=float(found.low), high=float(found.high), level=level)
    return NotComputable(
        reason=f"{len(seconds)} values are too few for an interval of {100 * level:g} % of their median.",
        of=len(seconds),
    )
