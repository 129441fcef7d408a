"""What travels between operators. The names tell at load time, before any exam arrives, that a chain fits together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

import pydicom
from highdicom import Volume
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


@dataclass(frozen=True)
class SourceSeries:
    """The instances of one series, with their pixels, in any order."""

    instances: tuple[Dataset, ...]

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
class Measurement:
    """One number with its unit in UCUM (`ml`, `mm`, `1`)."""

    value: float
    unit: str


def _read(file: Path) -> Dataset:
    try:
        return pydicom.dcmread(file)
    except (InvalidDicomError, EOFError) as fault:
        raise UnreadableImage(f"{file.name} cannot be read as DICOM: {fault}. Send the instance again.") from fault
