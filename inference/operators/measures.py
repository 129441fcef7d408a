"""Numbers taken from masks, and numbers taken from numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from inference.errors import EmptyMask, NotMeasurable
from inference.operators.components import CUBIC_MM_PER_ML
from inference.operators.masks import Label, Structures
from inference.operators.registry import operator
from inference.operators.values import Measurement


@operator("volume-ml", version="2")
def measure_volume(mask: Structures, *, label: Label = 1, empty: Literal["refuse", "zero"] = "refuse") -> Measurement:
    """Volume of one label, in millilitres.

    mask: (K, R, C) integers with an affine in mm, LPS.
    Counts voxels; the voxel volume is |det| of the affine's 3x3 part, so gantry tilt and unequal spacing are right.
    empty: what to do when the label is absent: "no lesion" is an answer, zero by accident is not, so a definition has
    to ask for "zero". Raises EmptyMask otherwise.
    """
    voxels = int(np.count_nonzero(mask.array == label))
    if voxels == 0 and empty == "refuse":
        raise EmptyMask("The mask is empty: the model found nothing to measure. Look at the series that was chosen.")
    voxel_volume = abs(float(np.linalg.det(mask.affine[:3, :3])))
    return Measurement(voxels * voxel_volume / CUBIC_MM_PER_ML, "ml")


@operator("ratio-percent", version="1")
def ratio_percent(part: Measurement, *others: Measurement) -> Measurement:
    """What part of the sum of all `part` makes up, in percent: 100 part / (part + others).

    A future liver remnant, for instance, is that of the lobe that stays. Raises NotMeasurable when the sum is zero.
    """
    total = part.value + sum(other.value for other in others)
    if total == 0:
        raise NotMeasurable("A ratio cannot be given, because everything it would be taken of measures zero.")
    return Measurement(100 * part.value / total, "%")
