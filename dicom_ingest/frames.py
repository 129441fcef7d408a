"""Where the frames of an image lie in its file, so that one is served by sending a range of bytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, BinaryIO

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
    more: the fragments that follow, where a compressed frame came in several.
    """

    offset: int
    length: int
    first_bit: int | None = None
    more: tuple["ByteRange", ...] = ()

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def column(self) -> list[Any]:
        """As Instance.frames holds it: [offset, length], the first bit after them, or a list of such pairs."""
        if self.more:
            return [[each.offset, each.length] for each in (self, *self.more)]
        return [self.offset, self.length] if self.first_bit is None else [self.offset, self.length, self.first_bit]


_NOTHING = ByteRange(offset=0, length=0)


def frame_ranges(dataset: Dataset, pixels: PixelElement, file: BinaryIO, *, size: int) -> list[ByteRange]:
    """Each frame's bytes in `file`, which holds `size` bytes.

    Empty when frames are no ranges of the file: several compressed frames in several fragments each, without an offset
    table that tells which belong together (PS3.5, A.4). Raises Refused.
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
    """One frame per fragment as a rule; else by the offset table, and of a single frame all fragments."""
    table, *fragments = [*_items(file, start=pixels.offset, size=size)] or [_NOTHING]
    frames = get_nr_frames(dataset, warn=False)
    if len(fragments) < frames:
        raise Refused(Reason.TRUNCATED, f"{len(fragments)} compressed fragments for {frames} frames. {_SEND_AGAIN}")
    if len(fragments) == frames:
        return fragments
    return _together(fragments, starts=[0] if frames == 1 else _starts(dataset, table, file), frames=frames)


def _starts(dataset: Dataset, table: ByteRange, file: BinaryIO) -> list[int]:
    """Where each frame's first item begins, in bytes after the offset table (PS3.5, A.4); empty without a table."""
    extended = dataset.get("ExtendedOffsetTable")
    if extended:
        return list(struct.unpack(f"<{len(extended) // 8}Q", extended[: len(extended) // 8 * 8]))
    file.seek(table.offset)
    return list(struct.unpack(f"<{table.length // 4}L", file.read(table.length // 4 * 4)))


def _together(fragments: list[ByteRange], *, starts: list[int], frames: int) -> list[ByteRange]:
    """The fragments of each frame as one; empty when `starts` are not the beginnings of `frames` frames."""
    first = fragments[0].offset - _ITEM_HEADER.size
    positions = {fragment.offset - _ITEM_HEADER.size - first: number for number, fragment in enumerate(fragments)}
    begin = [positions.get(start, -1) for start in starts]
    if len(begin) != frames or begin[0] != 0 or any(later <= earlier for earlier, later in pairwise(begin)):
        return []
    return [_joined(fragments[at:until]) for at, until in pairwise([*begin, len(fragments)])]


def _joined(fragments: list[ByteRange]) -> ByteRange:
    first, *more = fragments
    return replace(first, more=tuple(more))


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
