"""Dice coefficients over cases."""

from __future__ import annotations

from collections.abc import Iterable

from studies.statistics.estimate import LEVEL, NotComputable
from studies.statistics.means import Mean, mean


def mean_dice(values: Iterable[float], *, level: float = LEVEL) -> Mean | NotComputable:
    """The mean of Dice coefficients (Dice 1945), one a case, with Student's interval cut off at 0 and 1.

    Coefficients near 1 are skewed: report the quartiles, which come along, beside the mean. Raises ValueError for a
    coefficient outside 0 to 1.
    """
    found = list(values)
    if any(not 0 <= one <= 1 for one in found):
        raise ValueError("a Dice coefficient lies between 0 and 1")
    return mean(found, within=(0.0, 1.0), what="cases with both segmentations", level=level)
