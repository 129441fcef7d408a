"""Intensities brought to the range that a network was trained on."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.errors import BlankImage, OperatorContractBroken
from inference.operators.registry import operator
from inference.operators.units import Hounsfield, Percent
from inference.operators.values import Image

Over = Literal["positive", "all"]
"""Which voxels the statistics are taken over: those above zero, as in MR without its empty background, or all."""


@operator("normalise-z-score", version="1")
def normalise_z_score(image: Image, *, over: Over = "positive") -> Image:
    """The image with mean 0 and standard deviation 1 over the chosen voxels; all others become 0.

    Not-a-number counts as 0. Raises BlankImage when the chosen voxels are fewer than two or all alike.
    """
    values = np.nan_to_num(image.array.astype(np.float32, copy=False))
    chosen = _chosen(values, over)
    mean, spread = _mean_and_spread(values[chosen])
    return Image(image.with_array(np.where(chosen, (values - mean) / spread, np.float32(0))))


@operator("normalise-window", version="1")
def normalise_window(image: Image, *, low: Hounsfield, high: Hounsfield) -> Image:
    """CT numbers from `low` to `high` mapped to 0 to 1, and clipped to it."""
    if high <= low:
        raise OperatorContractBroken(f"normalise-window: {high:g} HU is not above {low:g} HU. Correct the definition.")
    return Image(image.with_array(_to_unit(image.array, low, high)))


@operator("normalise-percentile", version="1")
def normalise_percentile(image: Image, *, low: Percent = 0.5, high: Percent = 99.5, over: Over = "positive") -> Image:
    """Values between two percentiles of the chosen voxels mapped to 0 to 1, and clipped to it.

    Not-a-number counts as 0. Raises BlankImage when the two percentiles are one value.
    """
    if not 0 <= low < high <= 100:
        raise OperatorContractBroken(f"normalise-percentile: {low:g} % to {high:g} % is no range within 0 % to 100 %.")
    values = np.nan_to_num(image.array.astype(np.float32, copy=False))
    chosen = values[_chosen(values, over)]
    bottom, top = np.percentile(chosen, [low, high]) if chosen.size else (0.0, 0.0)
    if top <= bottom:
        raise BlankImage("The image has no contrast: nearly all of its voxels have one value. Check the series.")
    return Image(image.with_array(_to_unit(values, float(bottom), float(top))))


def _chosen(values: NDArray[np.float32], over: Over) -> NDArray[np.bool_]:
    return np.ones(values.shape, dtype=np.bool_) if over == "all" else values > 0


def _mean_and_spread(values: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    spread = values.std(dtype=np.float64) if values.size > 1 else 0.0
    if spread == 0:
        raise BlankImage("The image has no contrast: nearly all of its voxels have one value. Check the series.")
    return np.float32(values.mean(dtype=np.float64)), np.float32(spread)


def _to_unit(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.float32]:
    unit = values.astype(np.float32)
    unit -= np.float32(low)
    unit /= np.float32(high - low)
    return np.asarray(np.clip(unit, 0, 1, out=unit))
