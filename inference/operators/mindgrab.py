"""Brain masks with MindGrab, the skull-stripping network of BrainChop.

The network sees a head on a grid of 256 x 256 x 256 voxels of 1 mm whose axes point left, down and forward. Intensities
are scaled so that 0 and 1 are the 2nd and 98th percentile of that whole grid, air included. Only the part that holds
the head is computed: the network itself accounts for the air around it (`inference.backends.architectures`).
"""

from __future__ import annotations

import numpy as np
from highdicom.enum import PatientOrientationValuesBiped as Towards
from numpy.typing import NDArray

from inference.backends import Floats, LoadedModel
from inference.errors import BlankImage, OperatorContractBroken
from inference.operators.registry import operator
from inference.operators.values import Image, Probability

CANONICAL = (Towards.L, Towards.F, Towards.A)
GRID_VOXELS = 256**3
SPACING_TOLERANCE_MM = 0.01
QUANTILES = (0.02, 0.98)
HEAD = 0.1
"""Least scaled intensity of what is taken for head, not air."""


@operator("brain-mask-mindgrab", version="1")
def brain_probability(image: Image, *, model: LoadedModel, network: str = "net.safetensors") -> Probability:
    """Probability of brain in every voxel of a head image, T1-weighted MR or CT.

    image: array axes towards left, feet, anterior ("LFA"), voxels of 1 mm.
    Raises BlankImage when the image has no contrast.
    """
    if image.get_closest_patient_orientation() != CANONICAL:
        raise OperatorContractBroken('brain-mask-mindgrab: reorient the image to "LFA" first.')
    if not np.allclose(image.spacing, 1.0, atol=SPACING_TOLERANCE_MM):
        raise OperatorContractBroken('brain-mask-mindgrab: resample the image to "1 mm" first.')
    scaled = scale(np.nan_to_num(image.array.astype(np.float32, copy=False)))
    head = head_box(scaled)
    logits = model.predict(network, scaled[head][None, None])[0]
    probability = np.zeros_like(scaled)
    # The softmax of two classes is the logistic function of their difference; as tanh it cannot overflow.
    probability[head] = 0.5 * (1 + np.tanh(0.5 * (logits[1] - logits[0])))
    return Probability(image.with_array(probability))


def scale(intensities: Floats) -> Floats:
    """Clip and scale so that the 2nd and 98th percentile of the network's whole grid, air included, are 0 and 1.

    Raises BlankImage when those percentiles are one value.
    """
    air = np.full(max(0, GRID_VOXELS - intensities.size), intensities.min(), dtype=np.float32)
    low, high = np.quantile(np.concatenate([intensities.ravel(), air]), QUANTILES)
    if high <= low:
        raise BlankImage("The image has no contrast: nearly all of its voxels have one value. Check the series.")
    return np.asarray(np.clip((intensities - low) / (high - low), 0, 1), dtype=np.float32)


def head_box(scaled: Floats) -> tuple[slice, ...]:
    """The smallest box that holds every voxel of more than `HEAD`."""
    bright = scaled > HEAD
    return tuple(_extent(bright, axis) for axis in range(scaled.ndim))


def _extent(bright: NDArray[np.bool_], axis: int) -> slice:
    other_axes = tuple(other for other in range(bright.ndim) if other != axis)
    planes = np.flatnonzero(bright.any(axis=other_axes))
    return slice(int(planes[0]), int(planes[-1]) + 1)
