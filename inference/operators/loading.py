"""From the images of a series to a volume."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from inference.errors import NotAVolume, UnreadableImage
from inference.operators.registry import operator
from inference.operators.stacking import stack
from inference.operators.values import Image, SourceSeries

# What pydicom and its decoders raise for pixels that are truncated, contradictory or in a codec that is not here.
_UNREADABLE = (AttributeError, EOFError, KeyError, NotImplementedError, OSError, RuntimeError, ValueError)


@operator("load-volume", version="1")
def load_volume(series: SourceSeries) -> Image:
    """The series as one volume in real values (rescale slope and intercept, or the modality table, applied).

    Returns (slices, rows, columns) float32 with an affine in mm, LPS; slices run along the normal of the image plane.
    Raises UnreadableImage or a subclass of NotAVolume when the images are not whole, or not one regular grid.
    """
    if series.is_multi_frame:
        return _from_multi_frame(series)
    ordered = stack(series)
    array = np.stack([_values(one, series.label) for one in ordered.slices])
    return Image(
        Volume(
            array,
            affine=ordered.affine,
            coordinate_system="PATIENT",
            frame_of_reference_uid=ordered.slices[0].FrameOfReferenceUID,
        )
    )


def _values(instance: Dataset, label: str) -> NDArray[np.float32]:
    try:
        return apply_modality_lut(instance.pixel_array, instance).astype(np.float32)
    except _UNREADABLE as fault:
        raise UnreadableImage(
            f"{label}: the pixels of slice {instance.get('InstanceNumber')} cannot be read: {fault}. "
            "Send the series again, uncompressed if it was compressed."
        ) from fault


def _from_multi_frame(series: SourceSeries) -> Image:
    try:
        image = hd.Image.from_dataset(series.instances[0], copy=False)
        volume = image.get_volume(dtype=np.float32, apply_real_world_transform=False, apply_presentation_lut=False)
    except _UNREADABLE as fault:
        raise NotAVolume(
            f"{series.label}: the frames of this multi-frame image are not one regular volume: {fault} "
            "Send a single stack of equally spaced frames."
        ) from fault
    return Image(volume)
