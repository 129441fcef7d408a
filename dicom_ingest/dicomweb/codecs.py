"""Pixels in another transfer syntax than the stored one: decoded and encoded by pydicom's codec libraries.

What goes out as it was received never comes here. At most two images a process are decoded at a time, and none
that would take more than `LARGEST_DECODED` bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_ingest.dicomweb.refusals import NotAcceptable, Refusal
from dicom_ingest.dicomweb.stored import StoredInstance

Pixels = npt.NDArray[Any]

LARGEST_DECODED = 512 << 20
NATIVE = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
)
# Each without loss, so that what a client measures is what was received.
ENCODED = (JPEGLSLossless, JPEG2000Lossless, RLELossless)
_FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
_BYTES_A_PIXEL = 6  # at most, but for rare depths: three samples of 16 bits

_decoding = BoundedSemaphore(2)


def is_decodable(syntax: str) -> bool:
    """Whether frames in transfer syntax `syntax` can be turned into native pixels here."""
    try:
        return syntax in NATIVE or bool(get_decoder(UID(syntax)).is_available)
    except NotImplementedError:  # a syntax that pydicom does not know, video for one
        return False


def decoded(instance: StoredInstance, number: int) -> tuple[Pixels, Dataset]:
    """Frame `number`, counted from 1, and the attributes by which to present it.

    (rows, columns) or (rows, columns, samples); colours are RGB, palettes are not applied. Raises NotAcceptable.
    """
    _check_extent(instance, frames=1)
    header = Dataset()
    with _bounded(instance):
        several = instance.number_of_frames > 1
        index = number - 1 if several else None
        if instance.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
            header = dcmread(instance.path)  # its pixels have no place in the file
            pixels = pixel_array(header, index=index)
        else:
            pixels = pixel_array(instance.path, index=index, ds_out=header, specific_tags=list(_FUNCTIONAL_GROUPS))
        _flatten(header, number)
    return pixels, header


def with_pixels(instance: StoredInstance, number: int, use: Callable[[Pixels, Dataset], bytes]) -> bytes:
    """What `use` makes of one frame; see `decoded`. Raises NotAcceptable, also for what `use` fails at."""
    pixels, header = decoded(instance, number)
    with _bounded(instance):
        return use(pixels, header)


def _flatten(header: Dataset, number: int) -> None:
    """Take what the functional groups say of this frame's values and window (PS3.3 C.7.6.16) for the image's own."""
    shared = (header.get("SharedFunctionalGroupsSequence") or [])[:1]
    of_frame = (header.get("PerFrameFunctionalGroupsSequence") or [])[number - 1 : number]
    for groups in (*shared, *of_frame):
        for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in (groups.get(macro) or [])[:1]:
                header.update(item)


def native_frame(instance: StoredInstance, number: int) -> bytes:
    """One frame as Explicit VR Little Endian has it, samples of a pixel side by side. Raises NotAcceptable."""
    pixels, _ = decoded(instance, number)
    return _little_endian(pixels).tobytes()


def encoded_frame(instance: StoredInstance, number: int, syntax: str) -> bytes:
    """One frame in compressed transfer syntax `syntax`, one of ENCODED. Raises NotAcceptable."""
    return with_pixels(instance, number, lambda pixels, header: _encoded(_little_endian(pixels), header, syntax))


def converted_file(instance: StoredInstance, syntax: str) -> bytes:
    """The whole instance as a Part 10 file in `syntax`: Explicit VR Little Endian or one of ENCODED.

    Its SOP Instance UID stays, as PS3.18 8.7.3.5 wants of a representation. Raises NotAcceptable.
    """
    _check_extent(instance, frames=instance.number_of_frames)
    with _bounded(instance):
        dataset = dcmread(instance.path)
        if dataset.file_meta.TransferSyntaxUID not in NATIVE:
            dataset.decompress(generate_instance_uid=False)
        if syntax in ENCODED and "PixelData" in dataset:
            _compress(dataset, syntax)
        else:
            _to_explicit(dataset)
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def _to_explicit(dataset: Dataset) -> None:
    if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian and "PixelData" in dataset:
        pixels = dataset.pixel_array
        dataset.PixelData = _little_endian(pixels).tobytes()
        if pixels.ndim == 3 and dataset.SamplesPerPixel > 1:
            dataset.PlanarConfiguration = 0
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _compress(dataset: Dataset, syntax: str) -> None:
    _to_explicit(dataset)
    pixels, count = dataset.pixel_array, int(dataset.get("NumberOfFrames") or 1)
    frames = pixels if count > 1 else pixels[np.newaxis]
    encoded = [_encoded(_little_endian(frame), dataset, syntax) for frame in frames]
    dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    if int(dataset.SamplesPerPixel) > 1:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0


def _encoded(pixels: Pixels, header: Dataset, syntax: str) -> bytes:
    samples = int(header.SamplesPerPixel)
    return get_encoder(UID(syntax)).encode(
        np.ascontiguousarray(pixels),
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples_per_pixel=samples,
        bits_allocated=int(header.BitsAllocated),
        bits_stored=int(header.BitsStored),
        pixel_representation=int(header.PixelRepresentation),
        photometric_interpretation="RGB" if samples > 1 else str(header.PhotometricInterpretation),
        planar_configuration=0,
        number_of_frames=1,
    )


def _little_endian(pixels: Pixels) -> Pixels:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)


def _check_extent(instance: StoredInstance, *, frames: int) -> None:
    needed = instance.rows * instance.columns * frames * _BYTES_A_PIXEL
    if needed > LARGEST_DECODED:
        raise NotAcceptable(
            f"Instance {instance.sop} may take {needed >> 20} MiB decoded; at most {LARGEST_DECODED >> 20} are decoded "
            "here. Accept transfer-syntax=* to get it as received."
        )


@contextmanager
def _bounded(instance: StoredInstance) -> Iterator[None]:
    """A place among those who decode. Raises NotAcceptable for pixels that the codec cannot make sense of."""
    with _decoding:
        try:
            yield
        except (FileNotFoundError, Refusal):
            raise
        except Exception as error:
            # Codecs raise whatever broken pixels provoke; the client is told, and gets them as received if it likes.
            raise NotAcceptable(
                f"The pixels of instance {instance.sop} cannot be converted here ({type(error).__name__}). "
                "Accept transfer-syntax=* to get them as received."
            ) from error
