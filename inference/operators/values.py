"""What travels between operators. The names tell at load time, before any exam arrives, that a graph fits together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NewType

import numpy as np
import pydicom
from highdicom import ChannelDescriptor, Volume
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from dicom_ingest.headers import series_label
from inference.errors import UnreadableImage

Image = NewType("Image", Volume)
"""Intensities after the modality transform: float32, (slices, rows, columns) in any order, affine in mm, LPS."""

Probability = NewType("Probability", Volume)
"""Values of 0 to 1 on an image's grid, float32."""

Mask = NewType("Mask", Volume)
"""Zeros and ones on an image's grid, uint8."""

Labels = NewType("Labels", Volume)
"""A structure's number in each voxel of an image's grid, 0 for none of them, uint8."""

Scores = NewType("Scores", Volume)
"""Probabilities of classes, (I, J, K, classes) float32 that add up to 1 over CLASS_CHANNEL; class 0 is none."""

CLASS_CHANNEL = ChannelDescriptor("class", is_custom=True, value_type=int)
"""The axis of `Scores` along which the classes lie, numbered from 0."""


@dataclass(frozen=True)
class SourceSeries:
    """The instances of one series, with their pixels, in any order.

    remarks: what a result says of the choice of instances, such as why some of the series were left out.
    """

    instances: tuple[Dataset, ...]
    remarks: tuple[str, ...] = ()

    @classmethod
    def from_files(cls, files: Iterable[Path]) -> SourceSeries:
        """Read every file whole. Raises UnreadableImage, naming the file, when one is no DICOM, or OSError."""
        return cls(tuple(_read(file) for file in files))

    @property
    def label(self) -> str:
        """How people speak of the series: `Series 3 "AX T1"`."""
        first = self.instances[0]
        return series_label(first.get("SeriesNumber"), first.get("SeriesDescription"))

    @property
    def series_instance_uid(self) -> str:
        return str(self.instances[0].SeriesInstanceUID)

    @property
    def is_multi_frame(self) -> bool:
        """True when one instance holds all planes, as in enhanced MR and CT."""
        return len(self.instances) == 1 and int(self.instances[0].get("NumberOfFrames") or 1) > 1


@dataclass(frozen=True)
class PriorSeries:
    """The series that the same pipeline took in the patient's latest earlier exam; None where there is no such exam."""

    series: SourceSeries | None


@dataclass(frozen=True)
class EarlierResult:
    """What the same pipeline measured in an earlier exam of the patient. measurements: value and unit by name."""

    study_date: date
    measurements: Mapping[str, Measurement]


@dataclass(frozen=True)
class History:
    """The patient's earlier results of the same pipeline, oldest first; empty at the first exam."""

    results: tuple[EarlierResult, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """One number with its unit in UCUM (`ml`, `mm`, `%`, `1`)."""

    value: float
    unit: str


@dataclass(frozen=True)
class Radiograph:
    """One projection image.

    pixels: (rows, columns) float32, 0 for black to 1 for white as a viewer shows it; spacing_mm: between rows and
    between columns, None where the image does not say; instance: what it was made from.
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float] | None
    instance: Dataset

    @property
    def sop_instance_uid(self) -> str:
        return str(self.instance.SOPInstanceUID)


@dataclass(frozen=True)
class Radiographs:
    """The projection images of one exam that a model looks at, in the order of their numbers."""

    images: tuple[Radiograph, ...]


@dataclass(frozen=True)
class Box:
    """What was found in one place of one image.

    region: which place, such as `left hip`; finding: the most probable of `probabilities`, with `probability`;
    top, left, bottom, right: in pixels of the original image, from its upper left corner, bottom and right excluded.
    """

    region: str
    finding: str
    probability: float
    probabilities: Mapping[str, float]
    top: float
    left: float
    bottom: float
    right: float
    sop_instance_uid: str


@dataclass(frozen=True)
class Boxes:
    """Every place that a detector found."""

    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Classification:
    """What a classifier says of an exam's images. label: the most probable of `probabilities`."""

    label: str
    probabilities: Mapping[str, float]
    sop_instance_uids: tuple[str, ...]


def _read(file: Path) -> Dataset:
    try:
        return pydicom.dcmread(file)
    except (InvalidDicomError, EOFError) as fault:
        raise UnreadableImage(f"{file.name} cannot be read as DICOM: {fault}. Send the instance again.") from fault
