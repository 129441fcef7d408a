"""A finding as a DICOM Segmentation (PS3.3 A.51) made anew: of the blinded images' headers, and of bits.

Nothing of the object that an arm made goes into it but which pixels are drawn. Every segment has a frame on every
plane, so that size and number of frames are the images', not the arm's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import SegmentationStorage
from pydicom.valuerep import DSfloat

from studies.blinding.grids import Grid, Plane, Vector
from studies.blinding.salts import Salt
from studies.blinding.structures import Named

MADE_BY = "Blinded"
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#469990", "#9a6324")
"""By number of the segment, the same for every arm."""
_COPIED = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)
CATEGORY = CodedConcept("91723000", "SCT", "Anatomical Structure")
SEGMENTATION = CodedConcept("113076", "DCM", "Segmentation")
SOURCE_IMAGE = CodedConcept("121322", "DCM", "Source image for image processing operation")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a finding stands among the series of a read. number: of its series."""

    series_uid: str
    sop_uid: str
    number: int
    description: str


def pixels(masks: Sequence[NDArray[np.uint8] | None], grid: Grid) -> bytes:
    """The pixel data of a SEG: all planes of the first structure, then of the next. masks: as `masks.Drawn.bits`."""
    count = len(grid.planes) * grid.size[0] * grid.size[1]
    if count % 8 == 0:
        packed = [np.zeros(count // 8, np.uint8) if bits is None else bits for bits in masks]
        joined = np.concatenate(packed)
    else:
        bit = [
            np.zeros(count, np.uint8) if bits is None else np.unpackbits(bits, count=count, bitorder="little")
            for bits in masks
        ]
        joined = np.packbits(np.concatenate(bit), bitorder="little")
    return joined.tobytes() + b"\0" * (joined.size % 2)


def header(source: dict[str, Any], grid: Grid, structures: Sequence[Named], place: Place, *, salt: Salt) -> Dataset:
    """The segmentation without its pixels.

    source: the header, as a read shows it, of an image of the series; grid: of that series, in its own UIDs, which
    `salt` remaps here.
    """
    image = Dataset.from_json(source)
    made = Dataset()
    for keyword in _COPIED:
        if keyword in image:
            made[keyword] = image[keyword]
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = SegmentationStorage, place.sop_uid, "SEG"
    made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = place.series_uid, place.number, 1
    made.SeriesDescription = place.description
    made.Manufacturer = made.ManufacturerModelName = MADE_BY
    made.DeviceSerialNumber = made.SoftwareVersions = "1"
    made.ContentLabel, made.ContentDescription, made.ContentCreatorName = "FINDING", "", ""
    made.ContentDate, made.ContentTime = image.get("StudyDate", ""), image.get("StudyTime", "")
    made.SeriesDate, made.SeriesTime = made.ContentDate, made.ContentTime
    _describe_pixels(made, grid, count=len(structures))
    made.SegmentSequence = [segment(named, number) for number, named in enumerate(structures, start=1)]
    made.ReferencedSeriesSequence = [_referenced(grid, salt)]
    _place_frames(made, grid, structures, salt=salt, organization=salt.uid("organization", place.sop_uid))
    return made


def _describe_pixels(made: Dataset, grid: Grid, *, count: int) -> None:
    made.ImageType, made.LossyImageCompression, made.BurnedInAnnotation = ["DERIVED", "PRIMARY"], "00", "NO"
    made.SegmentationType, made.SegmentsOverlap = "BINARY", "UNDEFINED"
    made.NumberOfFrames = len(grid.planes) * count
    made.Rows, made.Columns = grid.size
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 1, 1, 0


def segment(named: Named, number: int) -> Dataset:
    """One structure as an item of the segment sequence, the same whoever drew it."""
    red, green, blue = bytes.fromhex(COLOURS[(number - 1) % len(COLOURS)][1:])
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, named.label
    item.SegmentAlgorithmType = "MANUAL"  # the one of the three that names no algorithm
    item.SegmentedPropertyCategoryCodeSequence = [CATEGORY]
    item.SegmentedPropertyTypeCodeSequence = [CodedConcept(named.code.value, named.code.scheme, named.meaning)]
    item.RecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(red, green, blue).value)
    return item


def _referenced(grid: Grid, salt: Salt) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = salt.remapped(grid.series)
    seen = {plane.sop: plane.sop_class for plane in grid.planes}
    series.ReferencedInstanceSequence = [_reference(salt.remapped(sop), sop_class) for sop, sop_class in seen.items()]
    return series


def _place_frames(made: Dataset, grid: Grid, structures: Sequence[Named], *, salt: Salt, organization: str) -> None:
    dimensions = Dataset()
    dimensions.DimensionOrganizationUID = organization
    made.DimensionOrganizationSequence = [dimensions]
    made.DimensionIndexSequence = [
        _index(organization, 0x0062000B, 0x0062000A),  # Referenced Segment Number
        _index(organization, 0x00200032, 0x00209113),  # Image Position (Patient)
    ]
    made.SharedFunctionalGroupsSequence = [_shared(grid)]
    made.PerFrameFunctionalGroupsSequence = [
        _frame(plane, segment=segment, at=at, salt=salt)
        for segment in range(1, len(structures) + 1)
        for at, plane in enumerate(grid.planes, start=1)
    ]


def _index(organization: str, pointer: int, group: int) -> Dataset:
    index = Dataset()
    index.DimensionOrganizationUID, index.DimensionIndexPointer, index.FunctionalGroupPointer = (
        organization,
        pointer,
        group,
    )
    return index


def _shared(grid: Grid) -> Dataset:
    shared, first = Dataset(), grid.planes[0]
    if first.orientation is not None and first.spacing is not None:
        orientation, measures = Dataset(), Dataset()
        orientation.ImageOrientationPatient = _decimals(first.orientation)
        measures.PixelSpacing = _decimals(first.spacing)
        measures.SliceThickness = measures.SpacingBetweenSlices = _gap(grid)
        shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    return shared


def _gap(grid: Grid) -> float:
    """Between the first two planes, in mm; 1 where there is only one, or they lie at one place."""
    first, *rest = grid.planes
    if not rest or first.position is None or rest[0].position is None:
        return 1.0
    return round(float(np.linalg.norm(rest[0].position - first.position)), 6) or 1.0


def _frame(plane: Plane, *, segment: int, at: int, salt: Salt) -> Dataset:
    frame, content, identification, derivation = Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [segment, at]
    identification.ReferencedSegmentNumber = segment
    source = _reference(salt.remapped(plane.sop), plane.sop_class)
    if plane.frame is not None:
        source.ReferencedFrameNumber = plane.frame
    source.PurposeOfReferenceCodeSequence, source.SpatialLocationsPreserved = [SOURCE_IMAGE], "YES"
    derivation.SourceImageSequence, derivation.DerivationCodeSequence = [source], [SEGMENTATION]
    frame.FrameContentSequence, frame.SegmentIdentificationSequence = [content], [identification]
    frame.DerivationImageSequence = [derivation]
    if plane.position is not None:
        position = Dataset()
        position.ImagePositionPatient = _decimals(plane.position)
        frame.PlanePositionSequence = [position]
    return frame


def _decimals(numbers: Vector) -> list[DSfloat]:
    return [DSfloat(float(number), auto_format=True) for number in numbers]


def _reference(sop: str, sop_class: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop
    return item
