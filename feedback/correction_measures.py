"""How far a corrected structure differs from what it was before: pure functions of two masks and their voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference import overlap
from inference.operators.extents import box_of

Bits = NDArray[np.bool_]
Spacing = tuple[float, float, float]
PERCENTILE = 95


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two masks compared. dice: None where both are empty; hausdorff95_mm: None where one is."""

    ml: float
    before_ml: float
    added_ml: float
    removed_ml: float
    dice: float | None
    hausdorff95_mm: float | None


def compared(now: Bits, before: Bits, *, spacing: Spacing) -> Difference:
    """What changed from `before` to `now`, both (slices, rows, columns) with voxels of `spacing` mm."""
    box = box_of(now | before)  # nothing beyond it changes any of the numbers
    now, before = now[box], before[box]
    voxel_ml = float(np.prod(spacing)) / 1000

    def ml(mask: Bits) -> float:
        return float(np.count_nonzero(mask)) * voxel_ml

    return Difference(
        ml=ml(now),
        before_ml=ml(before),
        added_ml=ml(now & ~before),
        removed_ml=ml(before & ~now),
        dice=overlap.dice(now, before),
        hausdorff95_mm=hausdorff95(now, before, spacing=spacing),
    )


def hausdorff95(first: Bits, second: Bits, *, spacing: Spacing) -> float | None:
    """The larger of the 95th percentiles of the distances from each surface to the other, in mm; None if one is empty.

    Huttenlocher et al. 1993 with the percentile in place of the maximum, as the BraTS challenge and MONAI's
    `compute_hausdorff_distance(percentile=95)` have it. A surface is the voxels that touch another by a face that is
    not of the mask; distances are between centres of voxels.
    """
    if not first.any() or not second.any():
        return None
    one, other = _surface(first), _surface(second)
    return max(_reach(one, other, spacing), _reach(other, one, spacing))


def _surface(mask: Bits) -> Bits:
    return np.asarray(mask & ~ndimage.binary_erosion(mask), dtype=np.bool_)


def _reach(of: Bits, to: Bits, spacing: Spacing) -> float:
    distances = ndimage.distance_transform_edt(~to, sampling=spacing)
    return float(np.percentile(distances[of], PERCENTILE))
