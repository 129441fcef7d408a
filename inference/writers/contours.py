"""Outlines of masks, in voxels of their slice, and from there in mm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours, points_in_poly

Ring = NDArray[np.float64]
"""A closed line, (points, 2) rows and columns, the last point not the first again. Whole numbers are voxel centres."""

Plane = NDArray[np.uint8]


def rings(plane: Plane) -> list[Ring]:
    """The borders between ones and zeros of one slice, halfway between voxel centres, without points on straight lines.

    Borders of islands and of holes run in opposite directions. A voxel whose centre lies inside is one of the mask's,
    no other is; voxels that touch by a corner only are apart.
    """
    box = ndimage.find_objects(plane != 0, max_label=1)
    if not box or box[0] is None:
        return []
    rows, columns = box[0]
    cropped = np.pad(plane[rows, columns] != 0, 1).astype(np.float32)
    corner = np.array([rows.start - 1, columns.start - 1], dtype=np.float64)
    return [_without_straights(line[:-1]) + corner for line in find_contours(cropped, 0.5)]


def outlines(plane: Plane) -> list[Ring]:
    """The same borders, one ring an island: every hole is joined to it by a channel of no width, a keyhole."""
    borders = rings(plane)
    if not borders:
        return []
    areas = [_signed_area(ring) for ring in borders]
    sense = np.sign(max(areas, key=abs))
    islands = sorted((ring for ring, area in zip(borders, areas, strict=True) if area * sense > 0), key=_size)
    holes = [ring for ring, area in zip(borders, areas, strict=True) if area * sense < 0]
    around = [next(at for at, island in enumerate(islands) if points_in_poly(hole[:1], island)[0]) for hole in holes]
    return [
        _with_keyholes(island, [hole for hole, owner in zip(holes, around, strict=True) if owner == at])
        for at, island in enumerate(islands)
    ]


def to_patient(ring: Ring, *, affine: NDArray[np.float64], slice_index: int) -> NDArray[np.float64]:
    """The ring's points in mm, LPS, (points, 3). affine: (4, 4), from (slice, row, column)."""
    return np.asarray(ring @ affine[:3, 1:3].T + slice_index * affine[:3, 0] + affine[:3, 3], dtype=np.float64)


def _without_straights(ring: Ring) -> Ring:
    into, out = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = np.abs(into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0]) > 1e-9
    return ring[turns]


def _signed_area(ring: Ring) -> float:
    following = np.roll(ring, -1, axis=0)
    return float(np.sum(ring[:, 0] * following[:, 1] - ring[:, 1] * following[:, 0]) / 2)


def _size(ring: Ring) -> float:
    return abs(_signed_area(ring))


def _with_keyholes(island: Ring, holes: Sequence[Ring]) -> Ring:
    """Join the nearest hole first: its channel can then cross no other hole."""
    joined, left = island, list(holes)
    while left:
        gaps = [_nearest(joined, hole) for hole in left]
        at = min(range(len(left)), key=lambda index: gaps[index][0])
        _, here, there = gaps[at]
        loop = np.roll(left.pop(at), -there, axis=0)
        joined = np.concatenate([joined[: here + 1], loop, loop[:1], joined[here:]])
    return joined


def _nearest(ring: Ring, other: Ring) -> tuple[float, int, int]:
    distances = np.linalg.norm(ring[:, None] - other[None], axis=2)
    here, there = np.unravel_index(distances.argmin(), distances.shape)
    return float(distances[here, there]), int(here), int(there)
