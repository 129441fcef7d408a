"""A run's masks as a DICOM RT Structure Set (PS3.3 A.19): one region of interest a segment, one contour an island."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import RTStructureSetStorage

from inference.operators.values import Mask
from inference.products import FinishedRun, WrittenFile
from inference.schema import SegmentOutput
from inference.writers import provenance
from inference.writers.contours import outlines, to_patient
from inference.writers.planes import Plane, planes_of

FILE_NAME = "structures.dcm"
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""What readers of structure sets expect as the class of a referenced study; the class itself is retired."""
CONTOUR_DATA = Tag("ContourData")

Segment = tuple[SegmentOutput, Mask]


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write the run's structure set as `structures.dcm` into `folder`; nothing where the pipeline has no segments."""
    if not run.outputs.segments:
        return []
    file = folder / FILE_NAME
    make_structures(run).save_as(file, enforce_file_format=True)
    return [WrittenFile("rtstruct", file, "Structure set (DICOM RTSTRUCT)")]


def make_structures(run: FinishedRun) -> Dataset:
    """Contours in mm, LPS, halfway between the voxel centres inside and outside; holes are joined by keyholes.

    CLOSED_PLANAR with keyholes (PS3.3 C.8.8.6.3) is what every reader fills alike; CLOSEDPLANAR_XOR is newer than many.
    """
    segments = list(zip(run.pipeline.outputs.segments, run.outputs.segments, strict=True))
    planes = planes_of(run.series, run.outputs.segments[0])
    structures = provenance.new_object(run, "rtstruct", sop_class=RTStructureSetStorage, modality="RTSTRUCT")
    structures.OperatorsName = ""
    structures.StructureSetLabel = run.pipeline.title[:16]
    structures.StructureSetName = run.pipeline.title
    structures.StructureSetDescription = run.pipeline.notice
    structures.StructureSetDate, structures.StructureSetTime = structures.ContentDate, structures.ContentTime
    del structures.ContentDate, structures.ContentTime
    structures.ApprovalStatus = "UNAPPROVED"
    structures.FrameOfReferenceUID = run.series.instances[0].FrameOfReferenceUID
    structures.PositionReferenceIndicator = run.series.instances[0].get("PositionReferenceIndicator", "")
    structures.ReferencedFrameOfReferenceSequence = [_frame_of_reference(run, planes)]
    structures.StructureSetROISequence = [_region(segment, run) for segment, _ in segments]
    structures.ROIContourSequence = [_contours(segment, mask, planes) for segment, mask in segments]
    structures.RTROIObservationsSequence = [_observation(segment) for segment, _ in segments]
    return structures


def _frame_of_reference(run: FinishedRun, planes: Sequence[Plane]) -> Dataset:
    source = run.series.instances[0]
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = source.SeriesInstanceUID
    series.ContourImageSequence = [plane.reference for plane in planes] if planes[0].frame is None else [_whole(source)]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = STUDY_CLASS, source.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = source.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _whole(source: Dataset) -> Dataset:
    return Plane(source, None).reference


def _region(segment: SegmentOutput, run: FinishedRun) -> Dataset:
    region = Dataset()
    region.ROINumber = segment.number
    region.ReferencedFrameOfReferenceUID = run.series.instances[0].FrameOfReferenceUID
    region.ROIName = segment.label
    region.ROIDescription = run.pipeline.notice
    region.ROIGenerationAlgorithm = "AUTOMATIC"
    region.ROIGenerationDescription = f"{run.pipeline.name} {provenance.software_version(run.pipeline)}"[:64]
    return region


def _contours(segment: SegmentOutput, mask: Mask, planes: Sequence[Plane]) -> Dataset:
    contoured = Dataset()
    contoured.ROIDisplayColor = list(bytes.fromhex(segment.colour[1:]))
    contoured.ReferencedROINumber = segment.number
    if found := list(_contours_of(mask, planes)):
        contoured.ContourSequence = found
    return contoured


def _contours_of(mask: Mask, planes: Sequence[Plane]) -> Iterator[Dataset]:
    number = 0
    for index in np.flatnonzero(mask.array.any(axis=(1, 2))).tolist():
        for ring in outlines(mask.array[index]):
            number += 1
            points = to_patient(ring, affine=mask.affine, slice_index=index)
            yield _contour(points, planes[index], number)


def _contour(points: NDArray[np.float64], plane: Plane, number: int) -> Dataset:
    contour = Dataset()
    contour.ContourImageSequence = [plane.reference]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourNumber = number
    # Encoded here and passed on as it is: a liver has a hundred thousand numbers, each of which pydicom would parse.
    text = "\\".join(f"{value:.3f}" for value in points.flat).encode()
    contour[CONTOUR_DATA] = RawDataElement(CONTOUR_DATA, "DS", len(text), text + b" " * (len(text) % 2), 0, False, True)
    contour.set_original_encoding(False, True, "iso8859")
    return contour


def _observation(segment: SegmentOutput) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = segment.number
    observation.RTROIInterpretedType = ""
    observation.ROIInterpreter = ""
    observation.SegmentedPropertyCategoryCodeSequence = [provenance.code_item(segment.category)]
    observation.RTROIIdentificationCodeSequence = [provenance.code_item(segment.type)]
    return observation
