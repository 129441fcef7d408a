"""How far two measurements of the same thing agree: bias and limits of agreement, Bland & Altman 1986 and 1999."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from studies.statistics.estimate import LEVEL, Estimate, NotComputable, Numbers, around, finite, t_quantile

REACH = 1.96
"""Standard deviations from the bias to a limit of agreement: between the limits lie 95 % of normal differences."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Differences first minus second, in the unit of both.

    bias: their mean. lower, upper: the limits of agreement, each with an interval of its own. proportional_bias: the
    slope of the differences on the means, 0 where the bias is the same for small and large; p_value of that slope.
    """

    bias: Estimate
    standard_deviation: float
    lower: Estimate
    upper: Estimate
    of: int
    proportional_bias: Estimate | NotComputable
    p_value: float | None


def bland_altman(first: Sequence[float], second: Sequence[float], *, level: float = LEVEL) -> Limits | NotComputable:
    """Bias with Student's interval, and limits bias -+ 1.96 SD with intervals from the limits' standard error.

    That is SD sqrt(1/n + 1.96^2 / (2 (n - 1))): Bland & Altman 1999, section 2.2, where they round it to
    1.71 SD / sqrt(n). Assumes independent pairs and differences that are near normal and do not grow with the mean.
    Raises ValueError for lists of unequal length and values that are not finite.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} measurements do not pair with {len(second)}")
    one, other = finite(first), finite(second)
    of = int(one.size)
    if of < 2:
        return NotComputable(reason="Limits of agreement need two pairs of measurements at least.", of=of)
    differences = one - other
    bias, spread = float(differences.mean()), float(differences.std(ddof=1))
    quantile = t_quantile(level, of - 1)
    of_limit = spread * math.sqrt(1 / of + REACH**2 / (2 * (of - 1)))

    def estimate(value: float, error: float, method: str) -> Estimate:
        return Estimate(value=value, interval=around(value, quantile * error, level=level), of=of, method=method)

    slope, p_value = _slope((one + other) / 2, differences, level)
    return Limits(
        bias=estimate(bias, spread / math.sqrt(of), "Student's t interval"),
        standard_deviation=spread,
        lower=estimate(bias - REACH * spread, of_limit, "Bland-Altman interval of a limit"),
        upper=estimate(bias + REACH * spread, of_limit, "Bland-Altman interval of a limit"),
        of=of,
        proportional_bias=slope,
        p_value=p_value,
    )


def _slope(means: Numbers, differences: Numbers, level: float) -> tuple[Estimate | NotComputable, float | None]:
    """Of the regression of differences on means: Bland & Altman 1999, section 3.2."""
    of = int(means.size)
    scale = max(1e-300, float(np.abs(means).max()), float(np.abs(differences).max()))
    if of < 3 or np.ptp(means) < 1e-12 * scale or np.ptp(differences) < 1e-12 * scale:
        return NotComputable(reason="A slope needs three pairs that differ, in size and in difference.", of=of), None
    fit = stats.linregress(means, differences)
    interval = around(float(fit.slope), t_quantile(level, of - 2) * float(fit.stderr), level=level)
    found = Estimate(value=float(fit.slope), interval=interval, of=of, method="Least squares, Student's t interval")
    return found, float(fit.pvalue) if math.isfinite(float(fit.pvalue)) else None
