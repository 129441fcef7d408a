"""Brain masks with deepbet's published networks.

The method is that of Fisch et al., "deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural
networks" (Computers in Biology and Medicine, 2024): a first network finds the head's brain on a coarse grid, a second
one segments a box around it on a fine one. Both grids have a fixed number of voxels, whatever the spacing.
"""

from __future__ import annotations

from itertools import starmap

import numpy as np
from highdicom.enum import PatientOrientationValuesBiped as Towards
from numpy.typing import NDArray

from inference.backends import Floats, LoadedModel
from inference.errors import BlankImage, NothingFound, OperatorContractBroken
from inference.operators.components import largest_component
from inference.operators.registry import operator
from inference.operators.values import Image, Probability

Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]

CANONICAL = (Towards.R, Towards.A, Towards.H)
COARSE: Shape = (128, 128, 128)
FINE: Shape = (256, 256, 256)
COARSE_NETWORK, FINE_NETWORK = "bbox_model.pt", "model.pt"
QUANTILES = (0.005, 0.995)
MARGIN = 0.1
"""How far the box reaches beyond the coarse mask on each side, as a part of its size."""
FOREGROUND = 0.02
"""Least part of a coarse plane that the mask must fill for the plane to belong to the box."""
CENTRE, SPREAD = 0.449, 0.226
"""Mean and standard deviation of the values that the networks were trained on."""


@operator("brain-mask-deepbet", version="1")
def brain_probability(image: Image, *, model: LoadedModel) -> Probability:
    """Probability of brain in every voxel of a T1-weighted head image.

    image: array axes towards right, anterior, head ("RAH").
    Raises BlankImage when the image has no contrast, NothingFound when the first network sees no brain.
    """
    if image.get_closest_patient_orientation() != CANONICAL:
        raise OperatorContractBroken('brain-mask-deepbet: reorient the image to "RAH" first.')
    intensities = np.nan_to_num(image.array.astype(np.float32, copy=False))
    coarse = resample_nearest(intensities, COARSE)
    low, high = (np.float32(value) for value in np.quantile(coarse, QUANTILES))
    if high <= low:
        raise BlankImage("The image has no contrast: nearly all of its voxels have one value. Check the series.")
    seen = _run(model, COARSE_NETWORK, standardise(coarse, low=low, high=high))
    box = brain_box(largest_component(seen > 0.5), intensities.shape)
    close_up = standardise(resample_nearest(intensities[box], FINE), low=low, high=high)
    probability = np.zeros_like(intensities)
    probability[box] = resample_nearest(_run(model, FINE_NETWORK, close_up), probability[box].shape)
    return Probability(image.with_array(probability))


def standardise(array: Floats, *, low: np.float32, high: np.float32) -> Floats:
    """Clip to [low, high], then scale to the mean and spread that the networks were trained on."""
    unit = np.clip((array - low) / (high - low), 0, 1)
    standard = (unit - unit.mean()) / unit.std(ddof=1)
    return np.asarray(SPREAD * standard + CENTRE, dtype=np.float32)


def resample_nearest(array: Floats, shape: tuple[int, ...]) -> Floats:
    """The array on a grid of `shape` over the same extent, each voxel from the one at its centre."""
    indices = starmap(_centres, zip(shape, array.shape, strict=True))
    return np.ascontiguousarray(array[np.ix_(*indices)])


def brain_box(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> Box:
    """The box around a coarse mask, widened by MARGIN, in voxels of an image of `shape` and clipped to it."""
    first, second, third = (_extent(mask, axis, size) for axis, size in enumerate(shape))
    return first, second, third


def _run(model: LoadedModel, network: str, array: Floats) -> Floats:
    """The network's probability of the second class, brain; (I, J, K) in and out."""
    return np.asarray(model.predict(network, array[None, None])[0, 1])


def _centres(wanted: int, given: int) -> NDArray[np.int64]:
    # In float32, as the published method resamples; otherwise single planes differ where a centre falls on an edge.
    step = np.float32(given) / np.float32(wanted)
    centres = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * step
    return np.asarray(np.minimum(np.floor(centres), given - 1), dtype=np.int64)


def _extent(mask: NDArray[np.bool_], axis: int, size: int) -> slice:
    other_axes = tuple(other for other in range(3) if other != axis)
    planes = np.flatnonzero(mask.mean(axis=other_axes) > FOREGROUND)
    if planes.size == 0:
        raise NothingFound("The model found no brain in this image. Look at the series that was chosen.")
    scale = size / mask.shape[axis]
    centre = np.round(scale * (planes[-1] + 1 + planes[0]) / 2)
    width = np.round((1 + 2 * MARGIN) * scale * (planes[-1] + 1 - planes[0]))
    return slice(max(0, int(centre - width / 2)), min(size, int(centre + width / 2)))
