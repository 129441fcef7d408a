"""Means of scores, overlaps and other numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from studies.statistics.estimate import LEVEL, Estimate, NotComputable, around, finite, t_quantile

STUDENT = "Student's t interval"
ONE_CASE = "A single value has no spread to make an interval of."


@dataclass(frozen=True, kw_only=True)
class Mean(Estimate):
    """standard_deviation: of the values, None of a single one."""

    standard_deviation: float | None
    median: float
    lower_quartile: float
    upper_quartile: float


def mean(
    values: Iterable[float],
    *,
    within: tuple[float, float] | None = None,
    what: str = "values",
    level: float = LEVEL,
) -> Mean | NotComputable:
    """The mean with Student's interval, cut off where no value can lie; quartiles by linear interpolation.

    Assumes independent values and a mean that is near normal: from some 30 values on whatever their distribution.
    Raises ValueError for a value that is not finite.
    """
    found = finite(values)
    if not found.size:
        return NotComputable(reason=f"There are no {what}.")
    centre = float(found.mean())
    spread = float(found.std(ddof=1)) if found.size > 1 else None
    lower, middle, upper = (float(one) for one in np.percentile(found, [25, 50, 75]))
    return Mean(
        value=centre,
        interval=NotComputable(reason=ONE_CASE, of=1)
        if spread is None
        else around(
            centre, t_quantile(level, found.size - 1) * spread / math.sqrt(found.size), level=level, within=within
        ),
        of=int(found.size),
        method=STUDENT,
        standard_deviation=spread,
        median=middle,
        lower_quartile=lower,
        upper_quartile=upper,
    )
