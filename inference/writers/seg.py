"""A run's masks as a DICOM Segmentation (PS3.3 A.51) on the grid of the series they were made from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom import Volume
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as DicomCode
from pydicom.uid import ExplicitVRLittleEndian

from inference.errors import OperatorContractBroken
from inference.identity import Identity
from inference.operators.stacking import stack
from inference.operators.values import Mask, SourceSeries
from inference.products import FinishedRun, WrittenFile
from inference.schema import Code, Pipeline, SegmentOutput

FILE_NAME = "segmentation.dcm"
MANUFACTURER = "Overread"
SERIES_NUMBER_OFFSET = 1000
"""A result's series number is that of its source plus this, so that it sorts behind the scanner's own."""
COPIED = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""What the result says of patient and exam exactly as its source does, empty where the source lacks it (type 2)."""
UTF_8 = "ISO_IR 192"

# Its messages quote the names of patients.
logging.getLogger("highdicom").setLevel(logging.ERROR)


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write the run's segmentation as `segmentation.dcm` into `folder`; raises what `write_segmentation` raises."""
    segmentation = write_segmentation(run.series, run.outputs.segments, run.pipeline, identity=run.identity)
    file = folder / FILE_NAME
    segmentation.save_as(file, enforce_file_format=True)
    return [WrittenFile("seg", file, "Segmentation (DICOM SEG)")]


def write_segmentation(
    series: SourceSeries, masks: Sequence[Mask], pipeline: Pipeline, *, identity: Identity
) -> Dataset:
    """The masks as one BINARY segmentation, explicit VR little endian, one frame for each source slice and segment.

    masks: one for each of `pipeline.outputs.segments`, in their order, (slices, rows, columns) of zeros and ones on the
    grid that `load-volume` makes of `series`. Frames are kept where empty, since some viewers shift an overlay
    otherwise.
    Raises OperatorContractBroken when a mask is not on that grid.
    """
    sources, pixels = _aligned(series, masks)
    segmentation = Segmentation(
        source_images=[_nameless(source) for source in sources],
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(one, pipeline, sources[0], identity) for one in pipeline.outputs.segments],
        series_instance_uid=identity.uid("series", identity.run),
        series_number=SERIES_NUMBER_OFFSET + int(sources[0].get("SeriesNumber") or 0),
        series_description=f"{pipeline.title} {pipeline.version}"[:64],
        sop_instance_uid=identity.uid("instance", identity.run),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=pipeline.name,
        software_versions=_version(pipeline),
        device_serial_number=pipeline.digest,
        content_label=pipeline.name.upper().replace("-", "_")[:16],
        content_description=pipeline.notice,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=False,
    )
    segmentation.SpecificCharacterSet = UTF_8
    for keyword in COPIED:
        setattr(segmentation, keyword, sources[0].get(keyword, ""))
    return segmentation


def _aligned(series: SourceSeries, masks: Sequence[Mask]) -> tuple[Sequence[Dataset], Volume | NDArray[np.uint8]]:
    """The sources and the pixels in one order: by plane for single frames, by position for a multi-frame image."""
    stacked = np.stack([mask.array.astype(np.uint8) for mask in masks], axis=-1)
    if series.is_multi_frame:
        numbers = list(range(1, len(masks) + 1))
        return series.instances, masks[0].with_array(stacked, channels={"SegmentNumber": numbers})
    ordered = stack(series)
    for mask in masks:
        if not np.allclose(mask.affine, ordered.affine, atol=1e-3):
            raise OperatorContractBroken("The mask is not on the grid of the source series; end with match-grid.")
    return ordered.slices, stacked


def _description(segment: SegmentOutput, pipeline: Pipeline, source: Dataset, identity: Identity) -> SegmentDescription:
    return SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=_code(segment.category),
        segmented_property_type=_code(segment.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=_algorithm(pipeline),
        tracking_uid=identity.tracking_uid(source, pipeline=pipeline.name, segment=segment.label),
        tracking_id=f"{pipeline.name} {segment.label}"[:64],
        display_color=_colour(segment.colour),
    )


def _algorithm(pipeline: Pipeline) -> hd.AlgorithmIdentificationSequence:
    models = {f"model {alias}": f"{pin.label} sha256:{pin.sha256}" for alias, pin in pipeline.models.items()}
    return hd.AlgorithmIdentificationSequence(
        name=pipeline.name,
        family=codes.DCM.ArtificialIntelligence,
        version=_version(pipeline),
        source=MANUFACTURER,
        parameters={"pipeline": f"sha256:{pipeline.digest}", **models},
    )


def _version(pipeline: Pipeline) -> str:
    return f"{pipeline.version}+{pipeline.digest[:12]}"


def _code(code: Code) -> DicomCode:
    return DicomCode(code.value, code.scheme, code.meaning)


def _colour(text: str) -> CIELabColor:
    red, green, blue = bytes.fromhex(text[1:])
    return CIELabColor.from_rgb(red, green, blue)


def _nameless(source: Dataset) -> Dataset:
    """The source with every attribute of COPIED empty: highdicom refuses a whole result for a date or sex it doubts."""
    nameless = Dataset({tag: element for tag, element in source.items() if keyword_for_tag(tag) not in COPIED})
    nameless.file_meta = source.file_meta
    for keyword in COPIED:
        setattr(nameless, keyword, "")
    return nameless
