"""From stored pixels to real values, fast where they lie uncompressed and plain in the file.

pydicom's own way costs milliseconds a slice in checks and copies, seconds for a large CT. Here plain pixels go from the
file's bytes into the volume in one pass; everything else goes pydicom's way, and both give the same float32 values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from inference.decoding import UNDECODABLE
from inference.errors import UnreadableImage
from inference.operators import parallel
from inference.operators.planes import Plane

Floats = NDArray[np.float32]

_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def real_values(planes: Sequence[Plane], label: str) -> Floats:
    """The planes' values after the modality transform (slope and intercept, or the table), (planes, rows, columns).

    Raises UnreadableImage, naming the series `label` and the plane.
    """
    stored = [_stored(plane, label) for plane in planes]
    made = np.empty((len(planes), *planes[0].size), dtype=np.float32)

    def fill(index: int) -> None:
        plane, pixels = planes[index], stored[index]
        if pixels is None:
            made[index] = _decoded(plane, label)
        else:
            _rescale(pixels, plane.slope, plane.intercept, made[index])

    parallel.for_each(fill, len(planes))
    return made


def _stored(plane: Plane, label: str) -> NDArray[np.integer] | None:
    """The plane's pixels as they lie in the file, or None where they need decoding."""
    try:
        return _plain(plane)
    except UNDECODABLE as fault:
        raise _unreadable(plane, label, fault) from fault


def _plain(plane: Plane) -> NDArray[np.integer] | None:
    instance = plane.instance
    meta = getattr(instance, "file_meta", None)
    bits = instance.BitsAllocated
    if meta is None or meta.get("TransferSyntaxUID") not in _PLAIN or bits not in (8, 16):
        return None
    if instance.get("ModalityLUTSequence") or instance.HighBit != instance.BitsStored - 1:
        return None
    kind = np.dtype(f"<{'i' if instance.PixelRepresentation else 'u'}{bits // 8}")
    data, count = instance.PixelData, plane.size[0] * plane.size[1]
    if len(data) < int(instance.get("NumberOfFrames") or 1) * count * kind.itemsize:
        return None
    offset = (plane.frame or 0) * count * kind.itemsize
    pixels = np.frombuffer(data, kind, count, offset).reshape(plane.size)
    # What lies above the stored bits, such as an old overlay, is no part of the value.
    unused = bits - instance.BitsStored
    return (pixels << unused) >> unused if unused else pixels


def _rescale(pixels: NDArray[np.integer], slope: float | None, intercept: float | None, made: Floats) -> None:
    if slope is None or intercept is None:
        made[...] = pixels
    elif slope == 1 and intercept.is_integer() and abs(intercept) < 2**23:
        # Whole numbers of this size are exact in float32.
        np.add(pixels, np.float32(intercept), out=made, dtype=np.float32)
    else:
        made[...] = pixels * slope + intercept


def _decoded(plane: Plane, label: str) -> Floats:
    try:
        if plane.frame is None:
            return apply_modality_lut(plane.instance.pixel_array, plane.instance).astype(np.float32)
        made = np.empty(plane.size, dtype=np.float32)
        _rescale(pixel_array(plane.instance, index=plane.frame), plane.slope, plane.intercept, made)
    except UNDECODABLE as fault:
        raise _unreadable(plane, label, fault) from fault
    return made


def _unreadable(plane: Plane, label: str, fault: Exception) -> UnreadableImage:
    return UnreadableImage(
        f"{label}: the pixels of {plane.name} cannot be read: {fault}. "
        "Send the series again, uncompressed if it was compressed."
    )
