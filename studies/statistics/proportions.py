"""Proportions with Wilson's score interval, and the difference of two of the same cases with Newcombe's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from statsmodels.stats.proportion import proportion_confint

from studies.statistics.estimate import LEVEL, Estimate, Interval, NotComputable, checked

WILSON = "Wilson score interval"
NEWCOMBE = "Newcombe interval of paired proportions"


@dataclass(frozen=True, kw_only=True)
class Proportion(Estimate):
    """`successes` of `of`; `value` is their ratio, 0 to 1."""

    successes: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference(Estimate):
    """The first proportion less the second, of the same `of` cases: so many are successes in both, in one, in none."""

    both: int
    first_only: int
    second_only: int
    neither: int


def proportion(successes: int, of: int, *, what: str = "cases", level: float = LEVEL) -> Proportion | NotComputable:
    """successes / of with Wilson's interval without continuity correction: Wilson 1927; Newcombe 1998, method 3.

    Assumes independent observations. what: the denominator in words, for the reason when there is nothing to count.
    Raises ValueError for counts that are none.
    """
    if not 0 <= successes <= of:
        raise ValueError(f"{successes} of {of} is no proportion")
    if of == 0:
        return NotComputable(reason=f"There are no {what} to count.")
    low, high = proportion_confint(successes, of, alpha=1 - checked(level), method="wilson")
    value = successes / of
    return Proportion(
        value=value,
        successes=successes,
        of=of,
        # At no and at all successes the interval ends at the value, which rounding may miss.
        interval=Interval(low=min(max(0.0, float(low)), value), high=max(min(1.0, float(high)), value), level=level),
        method=WILSON,
    )


def paired_difference(
    *, both: int, first_only: int, second_only: int, neither: int, what: str = "cases", level: float = LEVEL
) -> PairedDifference | NotComputable:
    """The difference of two proportions of the same cases: Newcombe 1998, Stat Med 17:2635, method 10.

    Wilson's intervals of both are squared and added, with the correlation between them, which is corrected for
    continuity. Assumes independent cases. Raises ValueError for counts that are none.
    """
    counts = (both, first_only, second_only, neither)
    if min(counts) < 0:
        raise ValueError(f"{counts} are no counts")
    of = sum(counts)
    first, second = (proportion(both + only, of, what=what, level=level) for only in (first_only, second_only))
    if isinstance(first, NotComputable) or isinstance(second, NotComputable):
        return NotComputable(reason=f"There are no {what} to count.")
    correlation = _correlation(*counts)
    (to_low, to_high), (other_low, other_high) = _reach(first), _reach(second)
    down = to_low**2 - 2 * correlation * to_low * other_high + other_high**2
    up = to_high**2 - 2 * correlation * to_high * other_low + other_low**2
    value = (first_only - second_only) / of
    return PairedDifference(
        value=value,
        interval=Interval(
            low=max(-1.0, value - math.sqrt(max(0.0, down))),
            high=min(1.0, value + math.sqrt(max(0.0, up))),
            level=level,
        ),
        of=of,
        method=NEWCOMBE,
        both=both,
        first_only=first_only,
        second_only=second_only,
        neither=neither,
    )


def _reach(found: Proportion) -> tuple[float, float]:
    """How far the interval reaches below and above the estimate."""
    assert isinstance(found.interval, Interval)
    return found.value - found.interval.low, found.interval.high - found.value


def _correlation(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Phi of the four counts, corrected for continuity where it is positive; 0 where a margin is empty."""
    of = both + first_only + second_only + neither
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    determinant = float(both * neither - first_only * second_only)
    if determinant > 0:
        determinant = max(0.0, determinant - of / 2)
    return determinant / math.sqrt(margins) if margins else 0.0
