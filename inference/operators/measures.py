"""Numbers taken from masks."""

from __future__ import annotations

import numpy as np

from inference.errors import EmptyMask
from inference.operators.registry import operator
from inference.operators.values import Mask, Measurement

CUBIC_MM_PER_ML = 1000.0


@operator("volume-ml", version="1")
def measure_volume(mask: Mask, *, label: int = 1) -> Measurement:
    """Volume of one label, in millilitres.

    mask: (K, R, C) integers with an affine in mm, LPS.
    Counts voxels; the voxel volume is |det| of the affine's 3x3 part, so gantry tilt and unequal spacing are right.
    Raises EmptyMask when the label is absent: "no lesion" is an answer, zero by accident is not.
    """
    voxels = int(np.count_nonzero(mask.array == label))
    if voxels == 0:
        raise EmptyMask("The mask is empty: the model found nothing to measure. Look at the series that was chosen.")
    voxel_volume = abs(float(np.linalg.det(mask.affine[:3, :3])))
    return Measurement(voxels * voxel_volume / CUBIC_MM_PER_ML, "ml")
