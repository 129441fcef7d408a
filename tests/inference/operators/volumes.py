"""Small volumes with known contents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from inference.operators.values import CLASS_CHANNEL, Image, Labels, Mask, Probability, Scores

Affine = NDArray[np.float64]


def affine(
    spacing: Sequence[float] = (1.0, 1.0, 1.0), origin: Sequence[float] = (0.0, 0.0, 0.0), *, degrees: float = 0.0
) -> Affine:
    """Array axes along z, y, x, as an axial series has them, turned by `degrees` about x; spacing and origin in mm."""
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    made = np.eye(4)
    made[:3, :3] = turn @ np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) @ np.diag(spacing)
    made[:3, 3] = origin
    return made


def volume(array: NDArray[np.generic], grid: Affine | None = None) -> Volume:
    return Volume(array, affine=affine() if grid is None else grid, coordinate_system="PATIENT")


def image(array: NDArray[np.generic], grid: Affine | None = None) -> Image:
    return Image(volume(array.astype(np.float32), grid))


def mask(array: NDArray[np.generic], grid: Affine | None = None) -> Mask:
    return Mask(volume(array.astype(np.uint8), grid))


def labels(array: NDArray[np.generic], grid: Affine | None = None) -> Labels:
    return Labels(volume(array.astype(np.uint8), grid))


def probability(array: NDArray[np.generic], grid: Affine | None = None) -> Probability:
    return Probability(volume(array.astype(np.float32), grid))


def scores(*classes: NDArray[np.generic], grid: Affine | None = None) -> Scores:
    stacked = np.stack(classes, axis=-1).astype(np.float32)
    return Scores(
        Volume(
            stacked,
            affine=affine() if grid is None else grid,
            coordinate_system="PATIENT",
            channels={CLASS_CHANNEL: list(range(len(classes)))},
        )
    )


def world(of: Volume) -> NDArray[np.float64]:
    """Where each voxel's centre lies, (I, J, K, 3) in mm, LPS."""
    indices = np.stack(np.meshgrid(*map(np.arange, of.spatial_shape), indexing="ij"), axis=-1)
    return np.asarray(indices @ of.affine[:3, :3].T + of.affine[:3, 3])


def ball(grid: Volume, *, centre: Sequence[float], radii: Sequence[float]) -> NDArray[np.bool_]:
    """Where an ellipsoid with `radii` along x, y, z in mm lies on a grid."""
    return np.asarray((((world(grid) - centre) / radii) ** 2).sum(axis=-1) <= 1)
