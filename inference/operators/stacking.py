"""Whether the slices of a series form one rectangular grid, and in which order.

All lengths are in mm, all directions in the patient's coordinate system (LPS). A voxel may lie half a pixel away from
where its header puts it, and no further: that covers rounded headers and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from inference.errors import (
    DuplicatePositions,
    MissingGeometry,
    MissingSlices,
    MixedOrientations,
    MixedSizes,
    TiltedStack,
    TooFewSlices,
    UnequalSpacing,
    UnreadableImage,
)
from inference.operators.values import SourceSeries

PLACING = (
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
)
DIRECTION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine within a series, about 0.06 degrees."""
SPACING_TOLERANCE = 0.02
"""Largest relative difference of a gap from the usual gap."""
ROUNDING = 0.01
"""Positions are often rounded to this many mm."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """Slices in order along their normal, and the affine of their grid.

    affine: (4, 4), from (slice, row, column) indices to mm, LPS.
    """

    slices: tuple[Dataset, ...]
    affine: NDArray[np.float64]


def stack(series: SourceSeries) -> Stack:
    """Order the single-frame instances of `series` along their common normal.

    Raises UnreadableImage or a subclass of NotAVolume; the message names the series, the slices and what to do.
    """
    label = series.label
    _check_placed(series.instances, label)
    _check_alike(series.instances, label)
    normal = _normal(series.instances[0])
    slices = sorted(series.instances, key=lambda instance: float(_position(instance) @ normal))
    _check_positions(slices, normal, label)
    _check_spacing(slices, normal, label)
    _check_upright(slices, normal, label)
    return Stack(tuple(slices), _affine(slices, normal))


def _check_placed(instances: Sequence[Dataset], label: str) -> None:
    for instance in instances:
        name = _name(instance)
        if "PixelData" not in instance:
            raise UnreadableImage(f"{label}: {name} has no pixels. Send the series again with its images.")
        if instance.get("SamplesPerPixel", 1) != 1:
            raise UnreadableImage(f"{label}: {name} is in colour; this pipeline reads grey images. Send the originals.")
        lacking = [keyword for keyword in PLACING if instance.get(keyword) in (None, "")]
        if lacking:
            raise MissingGeometry(
                f"{label}: {name} lacks {' and '.join(lacking)}, so it has no place in space. Send the original images."
            )
    if len(instances) < 2:
        raise TooFewSlices(f"{label} has one slice; a volume needs at least two. Send the whole series.")


def _check_alike(instances: Sequence[Dataset], label: str) -> None:
    first = instances[0]
    for other in instances[1:]:
        pair = f"{_name(first)} and {_name(other)}"
        if not np.allclose(_orientation(first), _orientation(other), atol=DIRECTION_TOLERANCE):
            raise MixedOrientations(
                f"{label}: {pair} lie in planes of different directions, as in a localizer. Send a single stack."
            )
        if (first.Rows, first.Columns) != (other.Rows, other.Columns):
            sizes = f"{first.Rows} x {first.Columns} and {other.Rows} x {other.Columns} pixels"
            raise MixedSizes(f"{label}: {pair} differ in size ({sizes}). Send a series of one size.")
        if not np.allclose(_pixel_spacing(first), _pixel_spacing(other), rtol=1e-3):
            raise MixedSizes(f"{label}: {pair} differ in pixel spacing. Send a series of one spacing.")
        if first.FrameOfReferenceUID != other.FrameOfReferenceUID:
            raise MixedSizes(
                f"{label}: {pair} have different frames of reference, so their positions cannot be compared. "
                "Send one acquisition."
            )


def _check_positions(slices: Sequence[Dataset], normal: Vector, label: str) -> None:
    pairs = [(lower, upper) for lower, upper in pairwise(slices) if _gap(lower, upper, normal) < ROUNDING]
    if not pairs:
        return
    lower, upper = sorted(pairs[0], key=_number)
    where = _where(lower, normal)
    count, left_over = divmod(len(slices), len(slices) - len(pairs))
    if left_over == 0:
        raise DuplicatePositions(
            f"{label} holds {count} images at every position, such as several echoes, phases or time points "
            f"({_name(lower)} and {_name(upper)} at {where}). Send them as separate series."
        )
    raise DuplicatePositions(
        f"{label}: slices {_number(lower)} and {_number(upper)} lie at the same position ({where}). "
        "Send the series again without the duplicate."
    )


def _check_spacing(slices: Sequence[Dataset], normal: Vector, label: str) -> None:
    gaps = np.array([_gap(lower, upper, normal) for lower, upper in pairwise(slices)])
    usual = float(np.median(gaps))
    allowed = max(SPACING_TOLERANCE * usual, ROUNDING)
    multiples = np.round(gaps / usual)
    wide = int(np.argmax(multiples))
    if multiples[wide] > 1 and np.all(np.abs(gaps - multiples * usual) <= allowed * multiples):
        lower, upper = sorted(slices[wide : wide + 2], key=_number)
        missing = int(multiples[wide]) - 1
        raise MissingSlices(
            f"{label}: between slices {_number(lower)} and {_number(upper)} {_counted(missing)} missing "
            f"({gaps[wide]:.4g} mm where {usual:.4g} mm is usual). Send the whole series again."
        )
    even = float(gaps.mean())
    drift = np.abs(np.cumsum(gaps) - even * np.arange(1, len(gaps) + 1)).max()
    if np.any(np.abs(gaps - usual) > allowed) or drift > even / 2:
        raise UnequalSpacing(
            f"{label}: the distance between slices changes from {gaps.min():.4g} to {gaps.max():.4g} mm. "
            "Send a series with equal spacing."
        )


def _check_upright(slices: Sequence[Dataset], normal: Vector, label: str) -> None:
    offsets = np.array([_position(one) for one in slices]) - _position(slices[0])
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    if sideways.max() <= min(_pixel_spacing(slices[0])) / 2:
        return
    angle = np.degrees(np.arctan2(sideways[-1], offsets[-1] @ normal))
    raise TiltedStack(
        f"{label}: the slices are shifted sideways against each other by up to {sideways.max():.3g} mm (a tilt of "
        f"{angle:.1f} degrees), so they do not form a rectangular grid. Send the series reformatted without tilt."
    )


def _affine(slices: Sequence[Dataset], normal: Vector) -> NDArray[np.float64]:
    first, last = slices[0], slices[-1]
    orientation = _orientation(first)
    row_spacing, column_spacing = _pixel_spacing(first)
    affine = np.eye(4)
    affine[:3, 0] = normal * _gap(first, last, normal) / (len(slices) - 1)
    affine[:3, 1] = orientation[3:] * row_spacing
    affine[:3, 2] = orientation[:3] * column_spacing
    affine[:3, 3] = _position(first)
    return affine


def _normal(instance: Dataset) -> Vector:
    orientation = _orientation(instance)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def _orientation(instance: Dataset) -> Vector:
    return np.asarray(instance.ImageOrientationPatient, dtype=np.float64)


def _position(instance: Dataset) -> Vector:
    return np.asarray(instance.ImagePositionPatient, dtype=np.float64)


def _pixel_spacing(instance: Dataset) -> Vector:
    return np.asarray(instance.PixelSpacing, dtype=np.float64)


def _gap(lower: Dataset, upper: Dataset, normal: Vector) -> float:
    return float((_position(upper) - _position(lower)) @ normal)


def _number(instance: Dataset) -> int:
    return int(instance.get("InstanceNumber") or 0)


def _name(instance: Dataset) -> str:
    return f"slice {_number(instance)}"


def _where(instance: Dataset, normal: Vector) -> str:
    axis = int(np.argmax(np.abs(normal)))
    return f"{'xyz'[axis]} = {_position(instance)[axis]:.4g} mm"


def _counted(missing: int) -> str:
    return "one slice is" if missing == 1 else f"{missing} slices are"
