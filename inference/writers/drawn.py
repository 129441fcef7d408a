"""What a person drew as a DICOM Segmentation (PS3.3 A.51) on the grid of the series that it lies on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from pydicom import Dataset

from inference.operators.values import Mask, SourceSeries
from inference.schema import Code
from inference.writers import provenance
from inference.writers.seg import Maker, aligned, binary, colour_of

MAKER = Maker("Annotation", "1", "1")
SERIES_NUMBER_OFFSET = 7000
"""Behind what pipelines make of the same series, and what people correct of that."""


@dataclass(frozen=True, kw_only=True)
class DrawnStructure:
    """What one segment is. Numbers count from 1 without gaps."""

    number: int
    label: str
    category: Code
    type: Code
    colour: str = "#e6194b"


def make_segmentation(
    series: SourceSeries,
    masks: Sequence[Mask],
    structures: Sequence[DrawnStructure],
    *,
    description: str,
    started_from: hd.AlgorithmIdentificationSequence | None = None,
) -> Dataset:
    """The masks as one BINARY segmentation, explicit VR little endian, one frame for each source slice and segment.

    masks: one for each structure, (slices, rows, columns) of zeros and ones on the grid that `load-volume` makes of the
    series; all zeros for what is absent. started_from: the pipeline whose mask was begun with; None: all by hand.
    Raises OperatorContractBroken when a mask is not on that grid, UnreadableImage or a NotAVolume where the series is
    none.
    """
    instances, pixels = aligned(series, masks)
    return binary(
        instances,
        pixels,
        [_description(one, started_from) for one in structures],
        place=provenance.new_place(instances[0], series_number_offset=SERIES_NUMBER_OFFSET),
        description=description[:64],
        maker=MAKER,
        content_label="ANNOTATION",
    )


def _description(
    structure: DrawnStructure, started_from: hd.AlgorithmIdentificationSequence | None
) -> SegmentDescription:
    kind = SegmentAlgorithmTypeValues.SEMIAUTOMATIC if started_from else SegmentAlgorithmTypeValues.MANUAL
    return SegmentDescription(
        segment_number=structure.number,
        segment_label=structure.label,
        segmented_property_category=provenance.dicom_code(structure.category),
        segmented_property_type=provenance.dicom_code(structure.type),
        algorithm_type=kind,
        algorithm_identification=started_from,
        display_color=colour_of(structure.colour),
    )
