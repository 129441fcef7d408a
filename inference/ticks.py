"""Round numbers at the axis of a drawing that the server makes."""

from __future__ import annotations

import math

_ROUNDING = 1e-9  # of a step: what arithmetic may have moved an end by


def round_numbers(low: float, high: float, *, steps: int) -> list[float]:
    """Those from `low` to `high` that are 1, 2 or 5 times a power of ten apart, with at most `steps` between the ends.

    Raises ValueError unless low is below high.
    """
    if not low < high:
        raise ValueError(f"an axis from {low} to {high} has no room for numbers")
    least = (high - low) / steps
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    first, last = math.ceil(low / step - _ROUNDING), math.floor(high / step + _ROUNDING)
    return [round(number * step, 12) for number in range(first, last + 1)]
