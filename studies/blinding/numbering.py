"""Which segment of an arm's own segmentation stands behind each segment that a read shows.

What reads show has the structures of all arms in one order and under one name each; see `structures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from django.core.cache import cache
from numpy.typing import NDArray
from pydicom import dcmread

from studies.blinding import drawing, masks
from studies.blinding.drawing import Drawing, file_of
from studies.blinding.masks import Drawn
from studies.blinding.selection import Selection

_KEPT_SECONDS = 3600
Bits = NDArray[np.uint8]


def own_numbers(selection: Selection, drawn: Drawing, arm: str) -> Mapping[int, int]:
    """By the number under which a read shows a structure, the number that it has in the arm's one segmentation.

    What the arm does not draw is missing. Raises Unshowable.
    """
    instance = next(one for one in selection.arms if one.arm == arm).by_kind["SEG"][0]
    key = f"own-numbers-{instance.sop_instance_uid}-{drawn.bits[arm].parent.name}"
    known: dict[int, int] | None = cache.get(key)
    if known is None:
        grid = drawing.grid(selection.exams[0], drawn.series)
        numbers = sorted(number for number in _numbers(file_of(instance)) if number > 0)
        own = dict(zip(numbers, masks.of_segmentation(file_of(instance), grid), strict=True))
        size = len(grid.planes) * grid.size[0] * grid.size[1]
        known = _matched(_each(drawn.bits[arm], size, len(drawn.structures)), own, drawn)
        cache.set(key, known, _KEPT_SECONDS)
    return known


def _numbers(file: Path) -> list[int]:
    return [int(one.SegmentNumber) for one in dcmread(file, stop_before_pixels=True).SegmentSequence]


def _each(file: Path, size: int, structures: int) -> list[Bits]:
    """The pixels of each structure as a read shows them, eight a byte. size: pixels of one."""
    packed = np.fromfile(file, np.uint8)
    if size % 8 == 0:
        return list(packed[: structures * size // 8].reshape(structures, size // 8))
    bits = np.unpackbits(packed, count=size * structures, bitorder="little").reshape(structures, size)
    return [np.packbits(one, bitorder="little") for one in bits]


def _matched(shown: Sequence[Bits], own: Mapping[int, Drawn], drawn: Drawing) -> dict[int, int]:
    """By what they draw; where that is nothing, by their code."""
    found: dict[int, int] = {}
    for place, pixels in enumerate(shown, start=1):
        alike = (one for one in own if one not in found.values() and np.array_equal(own[one].bits, pixels))
        if pixels.any() and (number := next(alike, None)) is not None:
            found[place] = number
    for place, named in enumerate(drawn.structures, start=1):
        left = [one for one in own if one not in found.values()]
        same = [one for one in left if own[one].structure == named.code or len(own) == len(shown) == 1]
        if place not in found and same:
            found[place] = same[0]
    return found
