"""One plane of an image as a viewer shows it."""

from __future__ import annotations

from functools import partial

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from inference.decoding import UNDECODABLE
from inference.errors import UnreadableImage
from inference.writers.planes import Plane

DARKEST, BRIGHTEST = 0.005, 0.995
"""Quantiles that become black and white where the image says nothing of how to show it."""

Grey = NDArray[np.uint8]


def grey_levels(plane: Plane) -> Grey:
    """(rows, columns) from 0, black, to 255, white: modality and VOI transform and polarity applied (PS3.4 N.2).

    Raises UnreadableImage when the pixels cannot be decoded.
    """
    try:
        image = hd.Image.from_dataset(plane.instance, copy=True)
        values, is_windowed = _values(image, plane.frame or 1)
    except UNDECODABLE as fault:
        raise UnreadableImage(
            f"The pixels of instance {plane.instance.SOPInstanceUID} cannot be shown: {fault}. Send it again."
        ) from fault
    return _eight_bits(values if is_windowed else _stretched(values))


def _values(image: hd.Image, frame: int) -> tuple[NDArray[np.float32], bool]:
    """The frame from 0 to 1 where the image brings a VOI transform, else in its own range; and which of the two."""
    frame_of = partial(image.get_frame, frame, dtype=np.float32, apply_real_world_transform=False)
    try:
        return frame_of(apply_voi_transform=True), True
    except RuntimeError:
        return frame_of(), False


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = np.quantile(values, (DARKEST, BRIGHTEST))
    if high <= low:
        return np.zeros_like(values)
    return (values - np.float32(low)) / np.float32(high - low)


def _eight_bits(unit: NDArray[np.float32]) -> Grey:
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
