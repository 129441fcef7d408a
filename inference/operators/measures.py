"""Numbers taken from masks, and numbers taken from numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Literal

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import Field

from inference import overlap
from inference.errors import EmptyMask, NotMeasurable, OperatorContractBroken
from inference.operators.components import CUBIC_MM_PER_ML
from inference.operators.extents import box_of
from inference.operators.masks import Label, Structures
from inference.operators.registry import operator
from inference.operators.units import Percent
from inference.operators.values import Image, Mask, Measurement

Empty = Literal["refuse", "zero"]
"""What to answer where there is nothing to measure: "no lesion" is an answer, zero by accident is not."""
Statistic = Literal["mean", "standard-deviation", "median", "minimum", "maximum"]
Unit = Annotated[str, Field(min_length=1)]
"""In UCUM, such as `[hnsf'U]` for Hounsfield units or `g/ml` for SUV."""

_STATISTICS: Mapping[Statistic, Callable[[NDArray[np.float64]], np.float64]] = {
    "mean": np.mean,
    "standard-deviation": np.std,
    "median": np.median,
    "minimum": np.min,
    "maximum": np.max,
}


@operator("volume-ml", version="2")
def measure_volume(mask: Structures, *, label: Label = 1, empty: Empty = "refuse") -> Measurement:
    """Volume of one label, in millilitres.

    mask: (K, R, C) integers with an affine in mm, LPS.
    Counts voxels; the voxel volume is |det| of the affine's 3x3 part, so gantry tilt and unequal spacing are right.
    Raises EmptyMask when the label is absent, unless `empty` is "zero".
    """
    chosen = chosen_voxels(mask, label=label, empty=empty)
    voxel_volume = abs(float(np.linalg.det(mask.affine[:3, :3])))
    return Measurement(int(np.count_nonzero(chosen)) * voxel_volume / CUBIC_MM_PER_ML, "ml")


@operator("surface-area", version="1")
def surface_area(mask: Structures, *, label: Label = 1, empty: Empty = "refuse") -> Measurement:
    """Area of the surface of one label, in cm2: of the triangles that marching cubes lays halfway between voxels.

    The mesh of the Image Biomarker Standardisation Initiative (IBSI, 3.1.3). Its steps make a smooth surface too large,
    a ball's by about 9 %. Raises EmptyMask when the label is absent, unless `empty` is "zero".
    """
    chosen = chosen_voxels(mask, label=label, empty=empty)
    if not chosen.any():
        return Measurement(0.0, "cm2")
    # Imported at need: most pipelines measure no surface, and the import takes as long as measuring one.
    measure = import_module("skimage.measure")
    vertices, faces, _, _ = measure.marching_cubes(
        np.pad(chosen[box_of(chosen)], 1).astype(np.float32), 0.5, spacing=mask.spacing
    )
    return Measurement(float(measure.mesh_surface_area(vertices, faces)) / 100, "cm2")


@operator("intensity-statistic", version="1")
def intensity_statistic(image: Image, mask: Mask, *, statistic: Statistic, unit: Unit) -> Measurement:
    """The mean, standard deviation, median, minimum or maximum of the image inside a mask on the same grid.

    The standard deviation is that of the voxels as a whole (divided by their number). Raises NotMeasurable when the
    mask is empty.
    """
    return Measurement(float(_STATISTICS[statistic](_inside(image, mask).astype(np.float64))), unit)


@operator("intensity-percentile", version="1")
def intensity_percentile(image: Image, mask: Mask, *, percentile: Percent, unit: Unit) -> Measurement:
    """The value below which `percentile` of the voxels inside a mask on the same grid lie, linear between voxels.

    Raises NotMeasurable when the mask is empty.
    """
    if not 0 <= percentile <= 100:
        raise OperatorContractBroken(f"intensity-percentile: {percentile:g} % lies outside of 0 % to 100 %.")
    return Measurement(float(np.percentile(_inside(image, mask), percentile)), unit)


@operator("dice", version="1")
def dice(mask: Mask, other: Mask) -> Measurement:
    """How far two masks on one grid agree: 2 |A and B| / (|A| + |B|), from 0 to 1.

    Raises NotMeasurable when both are empty, OperatorContractBroken when they lie on different grids.
    """
    _check_one_grid("dice", mask, other)
    agreement = overlap.dice(mask.array, other.array)
    if agreement is None:
        raise NotMeasurable("Their agreement cannot be given, because both masks are empty.")
    return Measurement(agreement, "1")


@operator("ratio-percent", version="1")
def ratio_percent(part: Measurement, *others: Measurement) -> Measurement:
    """What part of the sum of all `part` makes up, in percent: 100 part / (part + others).

    A future liver remnant, for instance, is that of the lobe that stays. Raises NotMeasurable when the sum is zero.
    """
    total = part.value + sum(other.value for other in others)
    if total == 0:
        raise NotMeasurable("A ratio cannot be given, because everything it would be taken of measures zero.")
    return Measurement(100 * part.value / total, "%")


def chosen_voxels(mask: Volume, *, label: int, empty: Empty) -> NDArray[np.bool_]:
    """Where `label` lies. Raises EmptyMask when it is absent and `empty` is "refuse"."""
    chosen = np.asarray(mask.array == label)
    if empty == "refuse" and not chosen.any():
        raise EmptyMask("The mask is empty: the model found nothing to measure. Look at the series that was chosen.")
    return chosen


def _inside(image: Image, mask: Mask) -> NDArray[np.float32]:
    _check_one_grid("intensity", image, mask)
    values = image.array[mask.array > 0]
    if values.size == 0:
        raise NotMeasurable("Intensities cannot be given, because the mask is empty.")
    return np.asarray(values)


def _check_one_grid(name: str, first: Volume, second: Volume) -> None:
    if not first.geometry_equal(second, tol=1e-3):
        raise OperatorContractBroken(f'{name}: the two lie on different grids. Bring them on one ("resample-back").')
