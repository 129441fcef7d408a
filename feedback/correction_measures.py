"""How far a corrected structure differs from what it was before: pure functions of two masks and their voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from inference import overlap
from inference.operators.extents import box_of

Bits = NDArray[np.bool_]
Points = NDArray[np.float64]
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
    one, other = _surface(first, spacing), _surface(second, spacing)
    return max(_reach(one, other), _reach(other, one))


def _surface(mask: Bits, spacing: Spacing) -> Points:
    """(points, 3) in mm."""
    return np.asarray(np.argwhere(mask & ~ndimage.binary_erosion(mask)) * spacing, dtype=np.float64)


def _reach(of: Points, to: Points) -> float:
    distances, _ = KDTree(to).query(of)
    return float(np.percentile(distances, PERCENTILE))
