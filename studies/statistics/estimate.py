"""What every statistic answers with: a number with its interval and denominator, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
"""The confidence level where none is asked for."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval, its ends included. level: 0.95 for one of 95 %."""

    low: float
    high: float
    level: float = LEVEL

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"an interval from {self.low} to {self.high} is none")


@dataclass(frozen=True, kw_only=True)
class NotComputable:
    """Why there is no number, in words for a reader. of: the denominator at hand."""

    reason: str
    of: int = 0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number, how sure it is, and of how many it was made. method: what the interval is called."""

    value: float
    interval: Interval | NotComputable
    of: int
    method: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.value} is no estimate: say why there is none")


def finite(values: Iterable[float]) -> Numbers:
    """The values as an array of shape (n,). Raises ValueError for one that is not a finite number."""
    found = np.asarray(list(values), dtype=np.float64)
    if not np.all(np.isfinite(found)):
        raise ValueError("a value is not finite: leave out what is missing, and count it")
    return found


def checked(level: float) -> float:
    """The level. Raises ValueError for one that does not lie between 0 and 1, such as 95."""
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, {level} does not")
    return level


def normal_quantile(level: float) -> float:
    """How many standard errors reach to both sides: 1.96 for 0.95. Raises ValueError as `checked` does."""
    return float(stats.norm.ppf((1 + checked(level)) / 2))


def t_quantile(level: float, degrees: int) -> float:
    """The same by Student's t with so many degrees of freedom."""
    return float(stats.t.ppf((1 + checked(level)) / 2, degrees))


def around(value: float, reach: float, *, level: float, within: tuple[float, float] | None = None) -> Interval:
    """The interval that reaches as far to both sides, cut off where no value can lie."""
    low, high = value - reach, value + reach
    if within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    return Interval(low=low, high=high, level=level)
