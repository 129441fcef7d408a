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

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from feedback.correction_grid import Bits, Source, segments_of
from inference.writers import provenance

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
    first = source.images.instances[0]
    ordered = source.images.instances if source.images.is_multi_frame else source.stack.slices
    numbers = list(range(1, len(structures.segments) + 1))
    pixels = _pixels(structures, source)
    made = Segmentation(
        source_images=provenance.headers(ordered),
        pixel_array=_placed(pixels, numbers, source) if source.images.is_multi_frame else pixels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_stand_in(number) for number in numbers],
        series_instance_uid=hd.UID(),
        series_number=SERIES_NUMBER_OFFSET + int(first.get("SeriesNumber") or 0),
        series_description=f"{str(predecessor.get('SeriesDescription') or 'Segmentation')[:54]} corrected",
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=provenance.MANUFACTURER,
        manufacturer_model_name="Correction",
        software_versions="1",
        device_serial_number="1",
        content_label="CORRECTED",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=False,
    )
    provenance.name_as_source(made, first)
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


def _pixels(structures: Structures, source: Source) -> NDArray[np.uint8]:
    """Places of the segments, from 1, in each voxel; a channel for each where they overlap, which takes more memory."""
    labels: NDArray[np.uint8] = np.zeros(source.shape, dtype=np.uint8)
    for place, number in enumerate(structures.segments, start=1):
        mask = structures.masks.get(number)
        if mask is None:
            continue
        if labels[mask].any():
            return _channels(structures, source)
        labels[mask] = place
    return labels


def _channels(structures: Structures, source: Source) -> NDArray[np.uint8]:
    empty = np.zeros(source.shape, dtype=np.bool_)
    return np.stack([structures.masks.get(number, empty) for number in structures.segments], axis=-1).astype(np.uint8)


def _placed(pixels: NDArray[np.uint8], numbers: list[int], source: Source) -> hd.Volume:
    return hd.Volume(
        pixels,
        affine=source.affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=source.frame_of_reference,
        channels={"SegmentNumber": numbers} if pixels.ndim == 4 else None,
    )


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
