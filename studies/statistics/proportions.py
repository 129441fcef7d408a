"""Proportions with Wilson's score interval."""

from __future__ import annotations

from dataclasses import dataclass

from statsmodels.stats.proportion import proportion_confint

from studies.statistics.estimate import LEVEL, Estimate, Interval, NotComputable, checked

WILSON = "Wilson score interval"


@dataclass(frozen=True, kw_only=True)
class Proportion(Estimate):
    """`successes` of `of`; `value` is their ratio, 0 to 1."""

    successes: int


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
