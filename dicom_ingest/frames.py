"""Where the frames of an image lie in its file, so that one is served by sending a range of bytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.pixels.utils import get_expected_length, get_nr_frames

from dicom_ingest.refusal import Reason, Refused

UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM = (0xFFFE, 0xE000)
_SEQUENCE_DELIMITER = (0xFFFE, 0xE0DD)
_ITEM_HEADER = struct.Struct("<HHL")
_NEEDED = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation")
_SEND_AGAIN = "The transfer was cut short; send the instance again."


@dataclass(frozen=True, kw_only=True)
class PixelElement:
    """The pixel data element: where its value begins in the file, and the length its header states, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """`length` bytes from `offset` of the file.

    first_bit: of the first byte, where frames of single bits share bytes (PS3.5, 8.2); None where they do not.
    """

    offset: int
    length: int
    first_bit: int | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length


_NOTHING = ByteRange(offset=0, length=0)


def frame_ranges(dataset: Dataset, pixels: PixelElement, file: BinaryIO, *, size: int) -> list[ByteRange]:
    """Each frame's bytes in `file`, which holds `size` bytes.

    Empty when frames are no ranges of the file: compressed frames in several fragments without a way to tell which
    belong together (PS3.5, A.4). Raises Refused.
    """
    if pixels.length == UNDEFINED_LENGTH:
        return _compressed(dataset, pixels, file, size=size)
    return _native(dataset, pixels, size=size)


def _native(dataset: Dataset, pixels: PixelElement, *, size: int) -> list[ByteRange]:
    missing = [keyword for keyword in _NEEDED if dataset.get(keyword) in (None, "")]
    if missing:
        raise Refused(
            Reason.MISSING_ATTRIBUTE,
            f"Pixel data without {', '.join(missing)}. Mend the exporting system, then send the instance again.",
        )
    needed, present = get_expected_length(dataset), min(pixels.length, size - pixels.offset)
    if needed <= 0:
        raise Refused(Reason.NO_PIXELS, "Pixel data of no extent. Mend the exporting system, then send it again.")
    if present < needed:
        raise Refused(Reason.TRUNCATED, f"Pixel data of {present} bytes where {needed} are needed. {_SEND_AGAIN}")
    frames = get_nr_frames(dataset, warn=False)
    length, rest = divmod(needed, frames)
    pixels_a_frame = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel)
    if dataset.BitsAllocated == 1 and pixels_a_frame % 8:
        return [_bits(pixels.offset, first=number * pixels_a_frame, count=pixels_a_frame) for number in range(frames)]
    if rest:
        return []
    return [ByteRange(offset=pixels.offset + number * length, length=length) for number in range(frames)]


def _bits(offset: int, *, first: int, count: int) -> ByteRange:
    byte, bit = divmod(first, 8)
    return ByteRange(offset=offset + byte, length=-(-(bit + count) // 8), first_bit=bit)


def _compressed(dataset: Dataset, pixels: PixelElement, file: BinaryIO, *, size: int) -> list[ByteRange]:
    """One range per frame where each frame is one fragment, as the standard demands of most syntaxes."""
    _offset_table, *fragments = [*_items(file, start=pixels.offset, size=size)] or [_NOTHING]
    frames = get_nr_frames(dataset, warn=False)
    if len(fragments) < frames:
        raise Refused(Reason.TRUNCATED, f"{len(fragments)} compressed fragments for {frames} frames. {_SEND_AGAIN}")
    return fragments if len(fragments) == frames else []


def _items(file: BinaryIO, *, start: int, size: int) -> Iterator[ByteRange]:
    """The value of each item of encapsulated pixel data, its offset table first. Raises Refused when cut short."""
    position = start
    while position + _ITEM_HEADER.size <= size:
        file.seek(position)
        group, element, length = _ITEM_HEADER.unpack(file.read(_ITEM_HEADER.size))
        position += _ITEM_HEADER.size
        if (group, element) == _SEQUENCE_DELIMITER:
            return
        if (group, element) != _ITEM or position + length > size:
            break
        yield ByteRange(offset=position, length=length)
        position += length
    raise Refused(Reason.TRUNCATED, f"Compressed pixel data without their end. {_SEND_AGAIN}")
