"""Volumes on other grids: turned, resampled to another spacing, and brought back to the grid they came from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import starmap
from typing import Annotated, TypeVar, cast

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import Field

from inference.errors import OperatorContractBroken
from inference.operators import extents, parallel, sampling
from inference.operators.registry import operator
from inference.operators.sampling import Alignment, Matrix
from inference.operators.units import Spacing
from inference.operators.values import CLASS_CHANNEL, Image, Labels, Mask, Probability, Scores

AnyVolume = TypeVar("AnyVolume", bound=Volume)
Answer = TypeVar("Answer", Scores, Probability, Labels, Mask)
Orientation = Annotated[str, Field(pattern="^[LRAPHFSI]{3}$")]


@operator("reorient", version="1")
def reorient(volume: AnyVolume, *, orientation: Orientation) -> AnyVolume:
    """The volume with its array axes running towards `orientation`, such as RAH, as nearly as flips and swaps allow."""
    return volume.to_patient_orientation(orientation)


@operator("match-grid", version="1")
def match_grid(volume: AnyVolume, reference: Volume) -> AnyVolume:
    """Turn `volume`, which holds the voxels of `reference` in another order, into the order of `reference`.

    Swaps and flips only. Raises OperatorContractBroken when the two are not the same set of voxels.
    """
    cosines = reference.direction.T @ volume.direction
    order = [int(axis) for axis in np.argmax(np.abs(cosines), axis=1)]
    along = np.array([cosines[row, column] for row, column in enumerate(order)])
    if sorted(order) != [0, 1, 2] or np.any(1 - np.abs(along) > sampling.ALIGNED):
        raise OperatorContractBroken("match-grid: the axes of the two volumes are not the same up to order and sign.")
    flipped = [axis for axis, cosine in zip(order, along, strict=True) if cosine < 0]
    matched = (volume.flip_spatial(flipped) if flipped else volume).permute_spatial_axes(order)
    if not matched.geometry_equal(reference, tol=1e-3):
        raise OperatorContractBroken("match-grid: the two volumes do not cover the same voxels.")
    return matched


@operator("resample", version="1")
def resample(image: Image, *, spacing: Spacing) -> Image:
    """The image with voxels of `spacing` mm along its array axes, over the same extent about the same centre.

    Linear between voxels. Where an axis gets coarser by a factor f, a Gaussian of (f - 1) / 2 voxels goes before, so
    that fine detail does not alias (the rule of scikit-image's `resize`). The extent is kept to half a new voxel.
    """
    wanted = np.array(spacing, dtype=np.float64)
    given = np.array(image.spacing)
    shape = np.maximum(1, np.round(np.array(image.spatial_shape) * given / wanted)).astype(int)
    # Where the first new voxel lies, in old voxels, so that the two grids share their centre.
    start = (np.array(image.spatial_shape) - 1) / 2 - (shape - 1) / 2 * wanted / given
    affine = image.affine @ _affine(wanted / given, start)
    matrices = [
        _antialiased(start[axis] + np.arange(shape[axis]) * factor, image.spatial_shape[axis], factor)
        for axis, factor in enumerate(wanted / given)
    ]
    return Image(_like(image, sampling.sample(image.array.astype(np.float32, copy=False), matrices), affine))


@operator("resample-back", version="1")
def resample_back(volume: Answer, reference: Volume) -> Answer:
    """Bring what a network said back to the grid of `reference`, whose axes must be parallel up to order and direction.

    Linear for scores and probabilities, nearest voxel for labels and masks. What lies outside `volume` is background.
    Raises OperatorContractBroken when the axes are not parallel.
    """
    return cast(Answer, _on(volume, reference))


@operator("arg-max-on", version="1")
def arg_max_on(scores: Scores, reference: Volume) -> Labels:
    """The most probable class in every voxel of `reference`, the scores being interpolated linearly to it.

    The same as `resample-back` and then `arg-max`, plane by plane, so that the scores never exist on the fine grid.
    """
    alignment = Alignment.between(scores, reference)
    labels = np.zeros(reference.spatial_shape, dtype=np.uint8)
    classes = _by_class(scores, alignment)
    # Between voxels that are all background every voxel is background: only what lies about the others is computed.
    known = extents.box_of(np.any([one > classes[0] for one in classes[1:]], axis=0))
    wanted = tuple(starmap(_reached, zip(alignment.coordinates, known, strict=True)))
    matrices = [matrix[places] for matrix, places in zip(_matrices(classes[0].shape, alignment), wanted, strict=True)]
    part = labels[wanted]
    parallel.for_each(partial(_fill_best, part, classes, matrices), len(part))
    return Labels(reference.with_array(labels))


def _fill_best(
    labels: NDArray[np.uint8], classes: Sequence[NDArray[np.float32]], matrices: Sequence[Matrix], index: int
) -> None:
    planes = [sampling.plane(one, matrices, index) for one in classes]
    planes[0] += 1 - sum(planes)
    best = planes[0]
    for number, plane in enumerate(planes[1:], start=1):
        labels[index][plane > best] = number
        best = np.maximum(best, plane)


def _reached(coordinates: NDArray[np.float64], known: slice) -> slice:
    """The wanted planes that lie less than one voxel away from the known ones."""
    reached = np.flatnonzero((coordinates > known.start - 1) & (coordinates < known.stop))
    return slice(int(reached[0]), int(reached[-1]) + 1) if known.stop and reached.size else slice(0, 0)


def _on(volume: Volume, reference: Volume) -> Volume:
    alignment = Alignment.between(volume, reference)
    if volume.number_of_channel_dimensions:
        return _scores_on(volume, reference, alignment)
    if np.issubdtype(volume.array.dtype, np.integer):
        return reference.with_array(sampling.nearest(volume.array, alignment))
    turned = np.ascontiguousarray(volume.array.transpose(alignment.axes))
    return reference.with_array(sampling.sample(turned, _matrices(turned.shape, alignment)))


def _scores_on(scores: Volume, reference: Volume, alignment: Alignment) -> Volume:
    classes = _by_class(scores, alignment)
    matrices = _matrices(classes[0].shape, alignment)
    made = np.empty((len(classes), *reference.spatial_shape), dtype=np.float32)
    for number, one in enumerate(classes):
        made[number] = sampling.sample(one, matrices)
    made[0] += 1 - made.sum(axis=0)
    return reference.with_array(np.moveaxis(made, 0, -1), channels={CLASS_CHANNEL: list(range(len(classes)))})


def _by_class(scores: Volume, alignment: Alignment) -> list[NDArray[np.float32]]:
    """Each class by itself, in the order of the wanted axes in memory too, so that what is made of it is as well."""
    each = (scores.array[..., number].transpose(alignment.axes) for number in range(scores.array.shape[-1]))
    return [np.ascontiguousarray(one) for one in each]


def _matrices(shape: tuple[int, ...], alignment: Alignment) -> list[Matrix]:
    return [sampling.linear(where, size) for where, size in zip(alignment.coordinates, shape, strict=True)]


def _antialiased(coordinates: NDArray[np.float64], size: int, factor: float) -> Matrix:
    between = sampling.linear(np.clip(coordinates, -0.5, size - 0.5), size)
    return between @ sampling.smoothing(size, (factor - 1) / 2) if factor > 1 else between


def _affine(scale: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    affine = np.diag([*scale, 1.0])
    affine[:3, 3] = start
    return affine


def _like(volume: Volume, array: NDArray[np.float32], affine: NDArray[np.float64]) -> Volume:
    return Volume(
        array,
        affine=affine,
        coordinate_system=volume.coordinate_system,
        frame_of_reference_uid=volume.frame_of_reference_uid,
    )
