"""A run's masks as a DICOM Segmentation (PS3.3 A.51) on the grid of the series they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom import Volume
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from inference.errors import OperatorContractBroken
from inference.operators.stacking import stack
from inference.operators.values import Mask, SourceSeries
from inference.products import FinishedRun, WrittenFile
from inference.schema import SegmentOutput
from inference.writers import provenance

FILE_NAME = "segmentation.dcm"


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write the run's segmentation as `segmentation.dcm` into `folder`; raises what `make_segmentation` raises."""
    file = folder / FILE_NAME
    make_segmentation(run).save_as(file, enforce_file_format=True)
    return [WrittenFile("seg", file, "Segmentation (DICOM SEG)")]


def make_segmentation(run: FinishedRun) -> Dataset:
    """The masks as one BINARY segmentation, explicit VR little endian, one frame for each source slice and segment.

    The run's masks are one for each segment of its pipeline, in their order, (slices, rows, columns) of zeros and ones
    on the grid that `load-volume` makes of its series. Frames are kept where empty, since some viewers shift an overlay
    otherwise.
    Raises OperatorContractBroken when a mask is not on that grid.
    """
    pipeline, place = run.pipeline, provenance.place(run, "seg")
    instances, pixels = aligned(run.series, run.outputs.segments)
    segmentation = binary(
        instances,
        pixels,
        [_description(segment, run, instances[0]) for segment in pipeline.outputs.segments],
        place=place,
        description=provenance.series_description(pipeline),
        maker=Maker(pipeline.name, provenance.software_version(pipeline), pipeline.digest),
        content_label=pipeline.name.upper().replace("-", "_")[:16],
    )
    segmentation.ContentDescription = pipeline.notice
    return segmentation


@dataclass(frozen=True)
class Maker:
    """What of Overread made a segmentation, in the words of the equipment module (PS3.3, C.7.5.2)."""

    model_name: str
    software_version: str
    serial_number: str


def binary(
    instances: Sequence[Dataset],
    pixels: Volume | NDArray[np.uint8],
    segments: Sequence[SegmentDescription],
    *,
    place: provenance.Place,
    description: str,
    maker: Maker,
    content_label: str,
) -> Segmentation:
    """A BINARY segmentation of the patient and exam of its sources, explicit VR little endian.

    instances, pixels: as `aligned` gives them. Frames are kept where empty.
    """
    segmentation = Segmentation(
        source_images=provenance.headers(instances),
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=place.series_instance_uid,
        series_number=place.series_number,
        series_description=description,
        sop_instance_uid=place.sop_instance_uid,
        instance_number=place.instance_number,
        manufacturer=provenance.MANUFACTURER,
        manufacturer_model_name=maker.model_name,
        software_versions=maker.software_version,
        device_serial_number=maker.serial_number,
        content_label=content_label,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=False,
    )
    provenance.name_as_source(segmentation, instances[0])
    return segmentation


def aligned(series: SourceSeries, masks: Sequence[Mask]) -> tuple[Sequence[Dataset], Volume | NDArray[np.uint8]]:
    """The sources and the pixels in one order: by plane for single frames, by position for a multi-frame image.

    Raises OperatorContractBroken when a mask is not on the grid that `load-volume` makes of the series.
    """
    if series.is_multi_frame:
        pixels = _pixels(masks)
        if pixels.ndim == 3:
            return series.instances, masks[0].with_array(pixels)
        numbers = list(range(1, len(masks) + 1))
        return series.instances, masks[0].with_array(pixels, channels={"SegmentNumber": numbers})
    ordered = stack(series)
    for mask in masks:
        if not np.allclose(mask.affine, ordered.affine, atol=1e-3):
            raise OperatorContractBroken("The mask is not on the grid of the source series; end with match-grid.")
    return ordered.slices, _pixels(masks)


def _pixels(masks: Sequence[Mask]) -> NDArray[np.uint8]:
    """Segment numbers in each voxel, or a channel for each segment where they overlap, at many times the memory."""
    if len(masks) == 1:
        return masks[0].array.astype(np.uint8, copy=False)
    labels: NDArray[np.uint8] = np.zeros(masks[0].shape, dtype=np.uint8)
    for number, mask in enumerate(masks, start=1):
        array = mask.array.astype(np.uint8, copy=False)
        if np.logical_and(labels, array).any():
            return np.stack([one.array.astype(np.uint8) for one in masks], axis=-1)
        labels += array * np.uint8(number)
    return labels


def _description(segment: SegmentOutput, run: FinishedRun, source: Dataset) -> SegmentDescription:
    pipeline = run.pipeline
    return SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=provenance.dicom_code(segment.category),
        segmented_property_type=provenance.dicom_code(segment.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=provenance.algorithm(pipeline),
        tracking_uid=run.identity.tracking_uid(source, pipeline=pipeline.name, segment=segment.label),
        tracking_id=f"{pipeline.name} {segment.label}"[:64],
        display_color=colour_of(segment.colour),
    )


def colour_of(text: str) -> CIELabColor:
    """A colour such as `#c2703d` as DICOM keeps it."""
    red, green, blue = bytes.fromhex(text[1:])
    return CIELabColor.from_rgb(red, green, blue)
