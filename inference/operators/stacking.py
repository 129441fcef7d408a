"""Whether the planes of a series form one rectangular grid, and in which order.

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
    MissingSlices,
    MixedOrientations,
    MixedSizes,
    TiltedStack,
    TooFewSlices,
    UnequalSpacing,
)
from inference.operators.components import CUBIC_MM_PER_ML
from inference.operators.planes import Plane, Vector, planes_of
from inference.operators.values import SourceSeries

DIRECTION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine within a series, about 0.06 degrees."""
SPACING_TOLERANCE = 0.02
"""Largest relative difference of a gap from the usual gap."""
ROUNDING = 0.01
"""Positions are often rounded to this many mm."""


@dataclass(frozen=True)
class Stack:
    """Planes in order along their normal, and the affine of their grid.

    affine: (4, 4), from (plane, row, column) indices to mm, LPS.
    """

    planes: tuple[Plane, ...]
    affine: NDArray[np.float64]

    @property
    def slices(self) -> tuple[Dataset, ...]:
        """The instance of each plane."""
        return tuple(plane.instance for plane in self.planes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows, columns."""
        return len(self.planes), *self.planes[0].size

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Between planes, rows and columns."""
        planes, rows, columns = (float(one) for one in np.linalg.norm(self.affine[:3, :3], axis=0))
        return planes, rows, columns

    @property
    def voxel_ml(self) -> float:
        """|det| of the affine's 3 x 3 part, in millilitres."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / CUBIC_MM_PER_ML

    @property
    def frame_of_reference(self) -> str:
        return self.planes[0].frame_of_reference


def stack(series: SourceSeries) -> Stack:
    """Order the planes of `series` along their common normal.

    Raises UnreadableImage or a subclass of NotAVolume; the message names the series, the planes and what to do.
    """
    label, given = series.label, planes_of(series)
    if len(given) < 2:
        raise TooFewSlices(f"{label} has one slice; a volume needs at least two. Send the whole series.")
    _check_alike(given, label)
    normal = given[0].normal
    planes = sorted(given, key=lambda plane: float(plane.position @ normal))
    _check_positions(planes, normal, label)
    _check_spacing(planes, normal, label)
    _check_upright(planes, normal, label)
    return Stack(tuple(planes), _affine(planes, normal))


def _check_alike(planes: Sequence[Plane], label: str) -> None:
    first = planes[0]
    for other in planes[1:]:
        pair = f"{first.name} and {other.name}"
        if np.abs(first.orientation - other.orientation).max() > DIRECTION_TOLERANCE:
            raise MixedOrientations(
                f"{label}: {pair} lie in planes of different directions, as in a localizer. Send a single stack."
            )
        if first.size != other.size:
            sizes = f"{first.size[0]} x {first.size[1]} and {other.size[0]} x {other.size[1]} pixels"
            raise MixedSizes(f"{label}: {pair} differ in size ({sizes}). Send a series of one size.")
        if np.any(np.abs(first.pixel_spacing - other.pixel_spacing) > 1e-3 * other.pixel_spacing):
            raise MixedSizes(f"{label}: {pair} differ in pixel spacing. Send a series of one spacing.")
        if first.frame_of_reference != other.frame_of_reference:
            raise MixedSizes(
                f"{label}: {pair} have different frames of reference, so their positions cannot be compared. "
                "Send one acquisition."
            )


def _check_positions(planes: Sequence[Plane], normal: Vector, label: str) -> None:
    pairs = [(lower, upper) for lower, upper in pairwise(planes) if _gap(lower, upper, normal) < ROUNDING]
    if not pairs:
        return
    lower, upper = sorted(pairs[0], key=lambda plane: plane.number)
    where = _where(lower, normal)
    count, left_over = divmod(len(planes), len(planes) - len(pairs))
    if left_over == 0:
        raise DuplicatePositions(
            f"{label} holds {count} images at every position, such as several echoes, phases or time points "
            f"({lower.name} and {upper.name} at {where}). Send them as separate series."
        )
    raise DuplicatePositions(
        f"{label}: {lower.word}s {lower.number} and {upper.number} lie at the same position ({where}). "
        "Send the series again without the duplicate."
    )


def _check_spacing(planes: Sequence[Plane], normal: Vector, label: str) -> None:
    gaps = np.array([_gap(lower, upper, normal) for lower, upper in pairwise(planes)])
    usual = float(np.median(gaps))
    allowed = max(SPACING_TOLERANCE * usual, ROUNDING)
    multiples = np.round(gaps / usual)
    wide = int(np.argmax(multiples))
    if multiples[wide] > 1 and np.all(np.abs(gaps - multiples * usual) <= allowed * multiples):
        lower, upper = sorted(planes[wide : wide + 2], key=lambda plane: plane.number)
        missing = int(multiples[wide]) - 1
        raise MissingSlices(
            f"{label}: between {lower.word}s {lower.number} and {upper.number} {_counted(missing, lower.word)} missing "
            f"({gaps[wide]:.4g} mm where {usual:.4g} mm is usual). Send the whole series again."
        )
    even = float(gaps.mean())
    drift = np.abs(np.cumsum(gaps) - even * np.arange(1, len(gaps) + 1)).max()
    if np.any(np.abs(gaps - usual) > allowed) or drift > even / 2:
        raise UnequalSpacing(
            f"{label}: the distance between {planes[0].word}s changes from {gaps.min():.4g} to {gaps.max():.4g} mm. "
            "Send a series with equal spacing."
        )


def _check_upright(planes: Sequence[Plane], normal: Vector, label: str) -> None:
    offsets = np.array([plane.position for plane in planes]) - planes[0].position
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    if sideways.max() <= min(planes[0].pixel_spacing) / 2:
        return
    angle = np.degrees(np.arctan2(sideways[-1], offsets[-1] @ normal))
    raise TiltedStack(
        f"{label}: the {planes[0].word}s are shifted sideways against each other by up to {sideways.max():.3g} mm "
        f"(a tilt of {angle:.1f} degrees), so they do not form a rectangular grid. "
        "Send the series reformatted without tilt."
    )


def _affine(planes: Sequence[Plane], normal: Vector) -> NDArray[np.float64]:
    first, last = planes[0], planes[-1]
    row_spacing, column_spacing = first.pixel_spacing
    affine = np.eye(4)
    affine[:3, 0] = normal * _gap(first, last, normal) / (len(planes) - 1)
    affine[:3, 1] = first.orientation[3:] * row_spacing
    affine[:3, 2] = first.orientation[:3] * column_spacing
    affine[:3, 3] = first.position
    return affine


def _gap(lower: Plane, upper: Plane, normal: Vector) -> float:
    return float((upper.position - lower.position) @ normal)


def _where(plane: Plane, normal: Vector) -> str:
    axis = int(np.argmax(np.abs(normal)))
    return f"{'xyz'[axis]} = {plane.position[axis]:.4g} mm"


def _counted(missing: int, word: str) -> str:
    return f"one {word} is" if missing == 1 else f"{missing} {word}s are"
