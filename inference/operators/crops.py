"""Parts of volumes cut out, and parts put together again on one grid."""

from __future__ import annotations

from itertools import product, starmap
from typing import Annotated, Any, TypeVar

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import Field

from inference.errors import BlankImage, NothingFound, OperatorContractBroken
from inference.operators.extents import box_of
from inference.operators.grids import AnyVolume, resample_back
from inference.operators.masks import Label, Structures
from inference.operators.registry import operator
from inference.operators.sampling import Alignment
from inference.operators.units import Millimetres
from inference.operators.values import Image, Labels, Mask, Probability

Part = TypeVar("Part", Mask, Labels)
Corners = NDArray[np.float64]


@operator("crop-to-foreground", version="1")
def crop_to_foreground(image: Image, *, above: float = 0.0, margin: Millimetres = 0.0) -> Image:
    """The box around all voxels brighter than `above` (in the image's values), widened by `margin` on every side.

    Raises BlankImage when no voxel is brighter.
    """
    bright = image.array > above
    if not bright.any():
        raise BlankImage(f"No voxel of the image is above {above:g}. Check the series that was chosen.")
    return Image(_cut(image, _extent(image.with_array(bright)), margin))


@operator("crop-to-roi", version="1")
def crop_to_roi(
    volume: AnyVolume, roi: Structures, *, margin: Millimetres = 0.0, label: Label | None = None
) -> AnyVolume:
    """The part of `volume` in the box around `roi`, widened by `margin` on every side and clipped to the volume.

    roi: on any grid whose axes are parallel to the volume's, such as the coarse one that it was found on; label: the
    label that counts, any when left out. Raises NothingFound when the region is empty, OperatorContractBroken when it
    lies outside.
    """
    chosen = roi.array > 0 if label is None else roi.array == label
    if not chosen.any():
        raise NothingFound("The region to look at more closely is empty: the model found nothing there.")
    Alignment.between(roi, volume)
    return _cut(volume, _extent(roi.with_array(chosen)), margin)


@operator("fit-shape", version="1")
def fit_shape(
    image: Image, *, shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)]
) -> Image:
    """The image cut or padded with 0 about its centre to `shape` voxels along its array axes."""
    return Image(image.pad_or_crop_to_spatial_shape(shape))


@operator("stitch", version="1")
def stitch(
    reference: Volume, *parts: Part, numbers: Annotated[list[Label], Field(min_length=1)] | None = None
) -> Labels:
    """Masks and label maps of parts put together on the grid of `reference`; of two at one place the earlier one stays.

    A mask gets the number of its place among `parts`, or that in `numbers`; a label map is a mask of its label 1.
    Nearest voxel. Raises OperatorContractBroken when axes are not parallel or numbers lack.
    """
    given = list(range(1, len(parts) + 1)) if numbers is None else numbers
    if len(given) != len(parts):
        raise OperatorContractBroken(
            f"stitch: there are {len(parts)} parts and {len(given)} numbers. Give one for each."
        )
    labels = np.zeros(reference.spatial_shape, dtype=np.uint8)
    for number, part in zip(given, parts, strict=True):
        placed = resample_back(part, reference).array
        labels[(placed == 1) & (labels == 0)] = number
    return Labels(reference.with_array(labels))


@operator("merge-labels", version="1")
def merge_labels(reference: Volume, *parts: Labels) -> Labels:
    """Label maps put together on the grid of `reference`, their numbers kept; of two at one place the earlier stays."""
    labels = np.zeros(reference.spatial_shape, dtype=np.uint8)
    for part in parts:
        placed = resample_back(part, reference).array
        np.copyto(labels, placed, where=labels == 0)
    return Labels(reference.with_array(labels))


@operator("stitch-probabilities", version="1")
def stitch_probabilities(
    reference: Volume, *parts: Probability, above: Annotated[float, Field(ge=0, lt=1)] = 0.5
) -> Labels:
    """The most probable part in each voxel of `reference`, numbered from 1 in their order.

    Zero where none exceeds `above`. Linear between voxels; a part says nothing outside its own extent.
    """
    labels = np.zeros(reference.spatial_shape, dtype=np.uint8)
    best = np.full(reference.spatial_shape, above, dtype=np.float32)
    for number, part in enumerate(parts, start=1):
        placed = resample_back(part, reference).array
        better = placed > best
        labels[better] = number
        best[better] = placed[better]
    return Labels(reference.with_array(labels))


@operator("renumber", version="1")
def renumber(
    labels: Labels, *, numbers: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1)]
) -> Labels:
    """Label 1 becomes the first of `numbers`, label 2 the second, and so on; 0 or no number drops a label."""
    table = np.zeros(256, dtype=np.uint8)
    table[1 : len(numbers) + 1] = numbers
    return Labels(labels.with_array(table[labels.array]))


def _extent(chosen: Volume) -> Corners:
    """Corners in mm, LPS, of the box around what is chosen, (8, 3): the outer faces of its voxels."""
    faces = [(planes.start - 0.5, planes.stop - 0.5) for planes in box_of(chosen.array)]
    corners = np.array(list(product(*faces)))
    return np.asarray(chosen.map_indices_to_reference(corners))


def _cut(volume: AnyVolume, corners: Corners, margin: float) -> AnyVolume:
    """The voxels of `volume` that the box reaches, widened by `margin` mm."""
    indices = volume.map_reference_to_indices(corners)
    wide = margin / np.array(volume.spacing)
    # A face that two grids share must not take in a further voxel because of rounding.
    low = np.floor(indices.min(axis=0) - wide + 0.5 + 1e-4).astype(int)
    high = np.ceil(indices.max(axis=0) + wide - 0.5 - 1e-4).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, volume.spatial_shape)
    if np.any(high <= low):
        raise OperatorContractBroken("crop-to-roi: the region lies outside the image.")
    # highdicom takes a slice for each axis; its annotation speaks of one.
    box: Any = tuple(starmap(slice, zip(low.tolist(), high.tolist(), strict=True)))
    return volume[box]
