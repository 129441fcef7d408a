"""Writes a volume as the files of one classic MR series: MR Image Storage, Explicit VR Little Endian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from portal.demo import series
from portal.demo.series import Plane, Slice

LOCALIZER_THICKNESS = 5
LOCALIZER_OFFSETS = (-15, 0, 15)


@dataclass(frozen=True)
class Protocol:
    """What the MR Image module records of how a series was acquired. Times in milliseconds, angle in degrees."""

    series_number: int
    description: str
    acquisition_type: str
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    repetition_time: float
    echo_time: float
    flip_angle: float
    inversion_time: float | None = None


def localizer_of(volume: hd.Volume) -> list[Slice]:
    """Three thick slices in each of three planes through the middle of a volume of 1 mm voxels."""
    return [thick for plane in Plane for thick in _thick_slices(volume.to_patient_orientation(plane))]


def _thick_slices(oriented: hd.Volume) -> Iterator[Slice]:
    middle, half = oriented.shape[0] // 2, LOCALIZER_THICKNESS // 2
    for index in (middle + offset for offset in LOCALIZER_OFFSETS):
        mean = oriented.array[index - half : index + half + 1].mean(axis=0)
        yield series.slice_at(index, oriented, np.rint(mean).astype(np.uint16), planes=LOCALIZER_THICKNESS)


def write_series(slices: list[Slice], *, exam: Dataset, protocol: Protocol, folder: Path) -> Iterator[Path]:
    """Write one file a slice into `folder`, yielding each path as it is written.

    `exam` holds the patient, study, frame of reference and equipment attributes, and WindowCenter and WindowWidth.
    """
    header = _series_header(exam, protocol)
    numbered = enumerate(slices, start=1)
    yield from series.write((_instance(header, image, number=number) for number, image in numbered), folder)


def _series_header(exam: Dataset, protocol: Protocol) -> Dataset:
    header = series.series_header(exam, modality="MR", number=protocol.series_number, description=protocol.description)
    header.BodyPartExamined = "HEAD"
    header.PatientPosition = "HFS"
    header.AcquisitionNumber = 1
    header.ScanningSequence = list(protocol.scanning_sequence)
    header.SequenceVariant = list(protocol.sequence_variant)
    header.ScanOptions = ""
    header.MRAcquisitionType = protocol.acquisition_type
    header.RepetitionTime = protocol.repetition_time
    header.EchoTime = protocol.echo_time
    header.EchoTrainLength = 1
    header.FlipAngle = protocol.flip_angle
    if protocol.inversion_time is not None:
        header.InversionTime = protocol.inversion_time
    return header


def _instance(header: Dataset, image: Slice, *, number: int) -> Dataset:
    instance = series.slice_instance(header, image, sop_class=MRImageStorage, number=number)
    instance.SmallestImagePixelValue = int(image.pixels.min())
    instance.LargestImagePixelValue = int(image.pixels.max())
    return instance
