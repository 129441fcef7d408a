"""How well answers fit the truth: areas under ROC curves, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Z95 = 1.959964


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve with its 95 % interval, and the numbers of positives and negatives."""

    value: float
    low: float
    high: float
    positives: int
    negatives: int

    def __str__(self) -> str:
        count = self.positives + self.negatives
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f}; {self.positives} of {count})"


def area_under_curve(scores: NDArray[np.floating], is_positive: NDArray[np.bool_]) -> Area:
    """The chance that a positive scores above a negative, ties counting half.

    Interval after Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
    curve" (Radiology 1982).
    """
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    ranks = stats.rankdata(scores)
    area = float((ranks[is_positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
    first, second = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (first - area**2) + (negatives - 1) * (second - area**2)
    error = Z95 * float(np.sqrt(max(variance, 0) / (positives * negatives)))
    return Area(area, max(0.0, area - error), min(1.0, area + error), positives, negatives)
