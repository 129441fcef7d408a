"""From the voxels of one grid to those of another whose axes are parallel to it, one axis after another.

A grid is a volume's shape and affine. Coordinates are voxel indices, whole numbers at the centres of voxels. A volume
is known up to the faces of its outermost voxels: from their centres to their faces the outermost value holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy import sparse

from inference.errors import OperatorContractBroken
from inference.operators import parallel

Floats = NDArray[np.float32]
Coordinates = NDArray[np.float64]
Matrix = Any
"""A sparse matrix (wanted, given) of float32 that makes the values along one axis from the given ones."""

ALIGNED = 1e-4
"""Largest deviation of a cosine from 1 for two axes to count as one direction."""


@dataclass(frozen=True)
class Alignment:
    """How the axes of a wanted grid run through a given volume.

    axes: for each wanted axis the given one that is parallel to it; coordinates: for each wanted axis where its planes
    lie, as indices along that given axis.
    """

    axes: tuple[int, int, int]
    coordinates: tuple[Coordinates, Coordinates, Coordinates]

    @classmethod
    def between(cls, given: Volume, wanted: Volume) -> Alignment:
        """Raises OperatorContractBroken when the axes are not parallel up to order and direction."""
        cosines = given.direction.T @ wanted.direction
        order = [int(axis) for axis in np.argmax(np.abs(cosines), axis=0)]
        along = np.array([cosines[axis, column] for column, axis in enumerate(order)])
        if sorted(order) != [0, 1, 2] or np.any(1 - np.abs(along) > ALIGNED):
            raise OperatorContractBroken(
                "The axes of the two volumes are not parallel up to order and direction. Register the one to the other."
            )
        return cls((order[0], order[1], order[2]), _coordinates(given, wanted, order))


def linear(coordinates: Coordinates, size: int) -> Matrix:
    """Linear interpolation at `coordinates` between `size` given values; nothing (0) outside the given extent."""
    inside = (coordinates >= -0.5) & (coordinates <= size - 0.5)
    clipped = np.clip(coordinates, 0, size - 1)
    lower = np.minimum(np.floor(clipped).astype(np.int64), max(size - 2, 0))
    upper = np.minimum(lower + 1, size - 1)
    weight = clipped - lower
    rows = np.arange(len(coordinates))
    values = np.concatenate([(1 - weight) * inside, weight * inside])
    entries = (values, (np.concatenate([rows, rows]), np.concatenate([lower, upper])))
    matrix = sparse.coo_array(entries, shape=(len(coordinates), size), dtype=np.float32).tocsr()
    matrix.eliminate_zeros()
    return matrix


def smoothing(size: int, sigma: float) -> Matrix:
    """A Gaussian of `sigma` voxels, cut at four sigma, with the outermost value continued beyond the border.

    The same as `scipy.ndimage.gaussian_filter1d(mode="nearest")`.
    """
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    rows = np.repeat(np.arange(size), len(offsets))
    columns = np.clip(rows + np.tile(offsets, size), 0, size - 1)
    entries = (np.tile(kernel / kernel.sum(), size), (rows, columns))
    return sparse.coo_array(entries, shape=(size, size), dtype=np.float32).tocsr()


def nearest(array: NDArray[Any], alignment: Alignment) -> NDArray[Any]:
    """The value of the nearest voxel at every wanted one; zero outside the given extent."""
    turned = array.transpose(alignment.axes)
    made = turned
    # The last axis first: its gather is the costly one, and so runs over the fewest voxels.
    for axis in (2, 1, 0):
        made = made.take(_nearest(alignment.coordinates[axis], turned.shape[axis]), axis=axis)
    for axis, coordinates in enumerate(alignment.coordinates):
        outside = (coordinates < -0.5) | (coordinates > turned.shape[axis] - 0.5)
        if outside.any():
            made[(slice(None),) * axis + (outside,)] = 0
    return made


def sample(array: Floats, matrices: Sequence[Matrix]) -> Floats:
    """The array with each axis made anew by its matrix; it lies in memory in the order in which `array` does."""
    # A turned volume is a view: along its planes as they lie in memory the work takes a twentieth of the time.
    order = np.argsort(np.abs(array.strides))[::-1]
    within, ordered = array.transpose(order), [matrices[axis] for axis in order]
    made = np.empty(tuple(matrix.shape[0] for matrix in ordered), dtype=np.float32)
    parallel.for_each(partial(_fill, made, within, ordered), len(made))
    return made.transpose(np.argsort(order))


def plane(array: Floats, matrices: Sequence[Matrix], index: int) -> Floats:
    """One plane across the first axis of what `sample` makes."""
    first, second, third = matrices
    entries = slice(first.indptr[index], first.indptr[index + 1])
    mixed = np.zeros(array.shape[1:], dtype=np.float32)
    for source, weight in zip(first.indices[entries], first.data[entries], strict=True):
        mixed += weight * array[source]
    return np.asarray((third @ (second @ mixed).T).T)


def _fill(made: Floats, array: Floats, matrices: Sequence[Matrix], index: int) -> None:
    made[index] = plane(array, matrices, index)


def _nearest(coordinates: Coordinates, size: int) -> NDArray[np.int64]:
    # A centre that falls on the face between two voxels belongs to the upper one, whatever the rounding of halves.
    return np.clip(np.floor(coordinates + 0.5), 0, size - 1).astype(np.int64)


def _coordinates(given: Volume, wanted: Volume, order: Sequence[int]) -> tuple[Coordinates, Coordinates, Coordinates]:
    first, second, third = _along(given, wanted, order)
    return first, second, third


def _along(given: Volume, wanted: Volume, order: Sequence[int]) -> Iterator[Coordinates]:
    """Coordinates of the planes of each wanted axis along its given one, through the middle of the wanted grid."""
    to_given = given.inverse_affine @ wanted.affine
    middle = (np.array(wanted.spatial_shape) - 1) / 2
    for axis, size in enumerate(wanted.spatial_shape):
        indices = np.tile(middle, (size, 1))
        indices[:, axis] = np.arange(size)
        # Rounded, so that the noise of two affines does not decide on which side of a face a centre falls.
        yield np.round(indices @ to_given[order[axis], :3] + to_given[order[axis], 3], 6)
