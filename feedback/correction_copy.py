"""The stored copy of a correction: a DICOM Segmentation in a series of its own, in the source's order and geometry.

What viewers leave out or replace comes back from the segmentation that was corrected: codes, colours, labels. The copy
names it as its predecessor (Predecessor Documents Sequence, as a Standard Extended attribute: PS3.3 has none for SEG).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from highdicom import Volume
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes

from feedback.correction_grid import Source
from inference.operators.values import Mask
from inference.segmentation_frames import Bits, segments_of
from inference.writers import provenance
from inference.writers.seg import Maker, aligned, binary

MAKER = Maker("Correction", "1", "1")
SERIES_NUMBER_OFFSET = 6000
"""A copy's series number is that of its source plus this: behind what pipelines make."""
_EDITED = "SEMIAUTOMATIC"
"""Of a structure that an algorithm drew and a person changed (PS3.3, C.8.20.2)."""


@dataclass(frozen=True)
class Structures:
    """What is drawn: masks, (slices, rows, columns), and the segments that describe them, by number."""

    masks: Mapping[int, Bits]
    segments: Mapping[int, Dataset]


def matched(sent: Dataset, predecessor: Dataset) -> dict[int, int]:
    """By the number of each segment that was sent, the number that it has in the copy.

    A segment is its predecessor's with the same label, where no other has it, or else with the same number; what is new
    gets a number that is free. Viewers count segments anew when one before them is empty, but keep their labels.
    """
    mine, theirs = _labels(sent), _labels(predecessor)
    once = {label for label, count in Counter(theirs.values()).items() if count == 1}
    by_label = {label: number for number, label in theirs.items() if label in once}
    found: dict[int, int] = {}
    for number, label in mine.items():
        if label in by_label:
            found[number] = by_label.pop(label)
    for number in sorted(mine.keys() - found.keys()):
        taken = set(found.values())
        found[number] = number if number in theirs and number not in taken else max([0, *taken, *theirs]) + 1
    return found


def _labels(dataset: Dataset) -> dict[int, str]:
    return {number: str(one.get("SegmentLabel", "")) for number, one in segments_of(dataset).items()}


def corrected_segments(sent: Dataset, predecessor: Dataset, numbers: Mapping[int, int]) -> dict[int, Dataset]:
    """The segments of the copy by number: the predecessor's own, and after them what is new."""
    segments = {number: _edited(one) for number, one in segments_of(predecessor).items()}
    for number, one in segments_of(sent).items():
        segments.setdefault(numbers[number], deepcopy(one))
    for number, one in segments.items():
        one.SegmentNumber = number
    return dict(sorted(segments.items()))


def make_copy(structures: Structures, source: Source, predecessor: Dataset, *, author: str) -> Dataset:
    """The copy as a BINARY segmentation, explicit VR little endian, a frame for each slice and segment.

    author: name of the person, in DICOM's form. A structure that is not among the masks is empty.
    """
    numbers = list(range(1, len(structures.segments) + 1))
    instances, pixels = aligned(source.images, [_mask(structures, number, source) for number in structures.segments])
    made = binary(
        instances,
        pixels,
        [_stand_in(number) for number in numbers],
        place=provenance.new_place(instances[0], series_number_offset=SERIES_NUMBER_OFFSET),
        description=f"{str(predecessor.get('SeriesDescription') or 'Segmentation')[:54]} corrected",
        maker=MAKER,
        content_label="CORRECTED",
    )
    made.ContentCreatorName = author
    _describe(made, structures, numbers)
    made.PredecessorDocumentsSequence = [_reference(predecessor)]
    now = datetime.now()
    for part in ("Series", "Content"):
        setattr(made, f"{part}Date", now.strftime("%Y%m%d"))
        setattr(made, f"{part}Time", now.strftime("%H%M%S"))
    return made


def _describe(made: Dataset, structures: Structures, numbers: list[int]) -> None:
    """The restored segments in place of the stand-ins, which are numbered without gaps."""
    order = list(structures.segments)
    made.SegmentSequence = [structures.segments[number] for number in order]
    own = dict(zip(numbers, order, strict=True))
    renumber(made, own)


def renumber(dataset: Dataset, numbers: Mapping[int, int]) -> None:
    """Give the frames' segments the numbers that stand for theirs. The segments themselves stay as they are."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for groups in [*shared, *dataset.PerFrameFunctionalGroupsSequence]:
        for identification in groups.get("SegmentIdentificationSequence") or ():
            identification.ReferencedSegmentNumber = numbers[int(identification.ReferencedSegmentNumber)]


def _mask(structures: Structures, number: int, source: Source) -> Mask:
    """What is drawn of one structure; zeros where nothing is."""
    drawn = structures.masks.get(number)
    voxels = np.zeros(source.stack.shape, dtype=np.uint8) if drawn is None else drawn.view(np.uint8)
    place = source.stack.frame_of_reference
    return Mask(Volume(voxels, affine=source.stack.affine, coordinate_system="PATIENT", frame_of_reference_uid=place))


def _stand_in(number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"Segment {number}",
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
    )


def _edited(segment: Dataset) -> Dataset:
    """The segment as it is after a person's correction: no longer an algorithm's alone."""
    edited = deepcopy(segment)
    if edited.get("SegmentAlgorithmType") == "AUTOMATIC":
        edited.SegmentAlgorithmType = _EDITED
    return edited


def _reference(predecessor: Dataset) -> Dataset:
    """Hierarchical SOP Instance Reference (PS3.3, 10-3b)."""
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = predecessor.SOPClassUID
    instance.ReferencedSOPInstanceUID = predecessor.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = predecessor.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = predecessor.StudyInstanceUID, [series]
    return study
