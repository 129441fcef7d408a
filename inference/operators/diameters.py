"""How long structures are: the largest distance between two points of their surface.

Points of the surface lie halfway between a voxel inside and its neighbour outside, as the vertices of a marching-cubes
mesh do (IBSI 3.1.11, maximum 3D diameter). Only corners of the convex hull can be ends of the longest line.
A mask is taken as one structure: choose a single lesion first, such as with `keep-largest-component`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from inference.operators.extents import box_of
from inference.operators.masks import Label, Structures
from inference.operators.measures import Empty, chosen_voxels
from inference.operators.registry import operator
from inference.operators.values import Measurement

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Diameters:
    """In one plane, in mm: the longest line, and the longest one across it, perpendicular to it (RANO)."""

    longest: float
    perpendicular: float


@operator("longest-diameter", version="1")
def longest_diameter(mask: Structures, *, label: Label = 1, empty: Empty = "refuse") -> Measurement:
    """The largest distance between two points of the surface of one label, in any direction, in mm.

    Raises EmptyMask when the label is absent, unless `empty` is "zero".
    """
    chosen = chosen_voxels(mask, label=label, empty=empty)
    if not chosen.any():
        return Measurement(0.0, "mm")
    corners = _hull(_surface(chosen) * np.array(mask.spacing))
    return Measurement(float(pdist(corners).max()), "mm")


@operator("longest-diameter-in-plane", version="1")
def longest_diameter_in_plane(mask: Structures, *, label: Label = 1, empty: Empty = "refuse") -> Measurement:
    """The longest line within any plane across the first array axis, the slices as acquired, in mm (RECIST 1.1).

    Raises EmptyMask when the label is absent, unless `empty` is "zero".
    """
    return Measurement(in_plane(mask, chosen_voxels(mask, label=label, empty=empty)).longest, "mm")


@operator("perpendicular-diameter-in-plane", version="1")
def perpendicular_diameter_in_plane(mask: Structures, *, label: Label = 1, empty: Empty = "refuse") -> Measurement:
    """The longest line perpendicular to `longest-diameter-in-plane` in the same plane, in mm (RANO, RECIST 1.1 nodes).

    Raises EmptyMask when the label is absent, unless `empty` is "zero".
    """
    return Measurement(in_plane(mask, chosen_voxels(mask, label=label, empty=empty)).perpendicular, "mm")


@operator("bidimensional-product", version="1")
def bidimensional_product(mask: Structures, *, label: Label = 1, empty: Empty = "refuse") -> Measurement:
    """The product of the longest line in a plane and of the longest perpendicular to it, in mm2 (RANO, Macdonald).

    Raises EmptyMask when the label is absent, unless `empty` is "zero".
    """
    found = in_plane(mask, chosen_voxels(mask, label=label, empty=empty))
    return Measurement(found.longest * found.perpendicular, "mm2")


def in_plane(grid: Volume, chosen: NDArray[np.bool_]) -> Diameters:
    """The diameters in the plane across the first array axis that holds the longest line; zeros for nothing."""
    return max(_each_plane(grid, chosen), key=lambda found: found.longest, default=Diameters(0.0, 0.0))


def _each_plane(grid: Volume, chosen: NDArray[np.bool_]) -> Iterator[Diameters]:
    spacing = np.array(grid.spacing[1:])
    for index in np.flatnonzero(chosen.any(axis=(1, 2))):
        corners = _hull(_surface(chosen[index]) * spacing)
        distances = squareform(pdist(corners))
        first, second = np.unravel_index(distances.argmax(), distances.shape)
        along = (corners[second] - corners[first]) / distances[first, second]
        yield Diameters(float(distances[first, second]), _widest(corners @ np.array([along, [-along[1], along[0]]]).T))


def _widest(corners: Points) -> float:
    """The longest line along the second axis within a convex polygon, whose corners come in order around it."""
    around = np.vstack([corners, corners[:1]])
    low, high = int(corners[:, 0].argmin()), int(corners[:, 0].argmax())
    where = np.unique(corners[:, 0])
    sides = [_path(around[:-1], low, high), _path(around[:-1], high, low)[::-1]]
    one, other = (np.interp(where, side[:, 0], side[:, 1]) for side in sides)
    return float(np.abs(one - other).max())


def _path(corners: Points, start: int, end: int) -> Points:
    """The corners from `start` on to `end`, in order."""
    steps = (end - start) % len(corners)
    return corners[(start + np.arange(steps + 1)) % len(corners)]


def _surface(chosen: NDArray[np.bool_]) -> Points:
    """Points halfway between voxels inside and outside, in voxels from the corner of the box around those inside."""
    padded = np.pad(chosen[box_of(chosen)], 1)
    points = []
    for axis in range(chosen.ndim):
        changes = np.argwhere(np.diff(padded.astype(np.int8), axis=axis)).astype(np.float64)
        changes[:, axis] += 0.5
        points.append(changes - 1)
    return np.concatenate(points)


def _hull(points: Points) -> Points:
    """The corners of the convex hull; in a plane they come in order around it."""
    return np.asarray(points[ConvexHull(points).vertices])
