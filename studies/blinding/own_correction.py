"""A reader's own correction within the read, shown to them alone, so that they can go on from it.

It stands beside the finding that they corrected, with the same structures under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from feedback.models import Correction
from studies.blinding import masks, numbering
from studies.blinding.drawing import Drawing, file_of
from studies.blinding.grids import Grid
from studies.blinding.salts import Salt
from studies.blinding.selection import Selection
from studies.blinding.structures import TISSUE, Named
from studies.models import Read

DESCRIPTION = "Correction"
_LABEL_LENGTH = 64


@dataclass(frozen=True)
class Corrected:
    """What the reader drew: structures as the read names them, those that they added behind, and their pixels."""

    structures: tuple[Named, ...]
    bits: tuple[NDArray[np.uint8] | None, ...]


def latest(read: Read) -> Correction | None:
    """The reader's correction that counts, where it was drawn."""
    own = Correction.objects.filter(author=read.reader_id, sitting=f"read/{read.pk}", replaced_by=None)
    return own.exclude(series=None).select_related("series__exam").order_by("-made_at").first()


def series_uid(salt: Salt, correction: Correction) -> str:
    """Series Instance UID under which the read shows it."""
    return salt.uid("correction", str(correction.pk))


def drawn_in(correction: Correction, selection: Selection, drawn: Drawing, *, arm: str, grid: Grid) -> Corrected:
    """The correction of the finding of `arm` on the grid of the read. Raises Unshowable."""
    assert correction.series is not None
    file = file_of(correction.series.instances.select_related("series__exam").get())
    segments = _segments(dcmread(file, stop_before_pixels=True))
    left = dict(zip(segments, masks.of_segmentation(file, grid), strict=True))
    numbers = numbering.own_numbers(selection, drawn, arm)
    by_label = {label: number for number, label in segments.items() if number not in numbers.values()}
    bits: list[NDArray[np.uint8] | None] = []
    for place, named in enumerate(drawn.structures, start=1):
        found = left.pop(numbers.get(place) or by_label.get(named.label, 0), None)
        bits.append(found.bits if found else None)
    added = [Named(TISSUE, "Tissue", segments[number][:_LABEL_LENGTH]) for number in left]
    return Corrected((*drawn.structures, *added), (*bits, *(one.bits for one in left.values())))


def _segments(header: Dataset) -> Mapping[int, str]:
    """Labels by number, rising."""
    return {
        int(one.SegmentNumber): str(one.SegmentLabel)
        for one in sorted(header.SegmentSequence, key=lambda segment: int(segment.SegmentNumber))
    }
