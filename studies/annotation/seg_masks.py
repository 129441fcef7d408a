"""A DICOM SEG on the grid of a series of the exam. It may name the exam's own objects, or those of a read's root."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from inference.segmentation_frames import CLASSES, segments_of
from studies.annotation.errors import NotAMask
from studies.annotation.sources import Source
from studies.annotation.structures import Segment
from studies.blinding import masks
from studies.blinding.codes import concept_of
from studies.blinding.errors import Unshowable
from studies.blinding.salts import Salt
from studies.models import Case


@dataclass(frozen=True)
class SentSegmentation:
    """A SEG that was opened. items: its Segment Sequence, the background of a label map left out."""

    path: Path
    header: Dataset
    items: tuple[Dataset, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(
            Segment(
                number=int(one.SegmentNumber),
                label=str(one.get("SegmentLabel", "")),
                concept=concept_of(next(iter(one.get("SegmentedPropertyTypeCodeSequence") or ()), None)),
            )
            for one in self.items
        )


def opened(path: Path) -> SentSegmentation:
    """The SEG at `path`; its pixels are not read yet. Raises NotAMask."""
    try:
        header = dcmread(path, stop_before_pixels=True)
        items = tuple(segments_of(header).values())
    except (InvalidDicomError, AttributeError, EOFError, KeyError, OSError, TypeError, ValueError) as fault:
        raise NotAMask(f"The file does not read as DICOM ({fault}). Export it again, as DICOM SEG.") from fault
    if header.get("SOPClassUID") not in CLASSES or not items:
        kind = header.get("Modality") or "of no kind"
        raise NotAMask(f"The file is DICOM, but no segmentation (it is {kind}). Export it as DICOM SEG, or as NIfTI.")
    return SentSegmentation(path, header, items)


def source_of(sent: SentSegmentation, sources: Iterable[Source], case: Case, salts: Sequence[Salt]) -> Source:
    """The series that the SEG lies on. salts: of the reads whose roots its UIDs may be from. Raises NotAMask."""
    known = {case.exam.study_instance_uid, *(one.remapped(case.exam.study_instance_uid) for one in salts)}
    if str(sent.header.get("StudyInstanceUID", "")) not in known:
        raise NotAMask(
            "The file belongs to another exam (its Study Instance UID is not this one's). Send the mask of this exam."
        )
    named = {str(one.get("SeriesInstanceUID", "")) for one in sent.header.get("ReferencedSeriesSequence") or ()}
    seen: list[Source] = []
    for source in sources:
        seen.append(source)
        uid = source.series.series_instance_uid
        if named & {uid, *(one.remapped(uid) for one in salts)}:
            return source
    if not named and seen:
        return seen[0]
    expected = "; ".join(one.said for one in seen) or "none that forms a volume"
    raise NotAMask(
        f"The file was drawn on none of this exam's series that a mask can lie on (expected: {expected}). "
        "Draw on the exam's own images, and send the file again."
    )


def drawn(sent: SentSegmentation, source: Source) -> list[NDArray[np.bool_]]:
    """(planes, rows, columns) for each segment, in the order of their numbers. Raises NotAMask."""
    try:
        found = masks.of_segmentation(sent.path, source.grid)
    except Unshowable as fault:
        raise NotAMask(
            f"The file does not lie on the images ({fault}). Expected was {source.said}. Draw on the exam's own "
            "images, without resampling, and send the file again."
        ) from fault
    count = int(np.prod(source.shape))
    return [
        np.unpackbits(one.bits, count=count, bitorder="little").reshape(source.shape).astype(np.bool_) for one in found
    ]
