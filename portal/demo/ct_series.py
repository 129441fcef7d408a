"""Writes a volume as the files of one classic CT series: CT Image Storage, Explicit VR Little Endian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pydicom.valuerep import DSfloat

from portal.demo import series
from portal.demo.series import STORED_MAXIMUM, Plane, Slice

INTERCEPT_HU = -1024


@dataclass(frozen=True)
class Protocol:
    """What the CT Image module records of how a series was acquired. Voltage in kV, current in mA, rotation in s."""

    series_number: int
    description: str
    body_part: str
    kvp: float
    tube_current: int
    revolution_time: float
    kernel: str
    contrast_agent: str


def stored(volume_hu: hd.Volume) -> hd.Volume:
    """Hounsfield units as stored values, uint16 of 12 bits; beyond -1024 HU to 3071 HU they are clipped."""
    values = np.rint(volume_hu.array.astype(np.float32)) - INTERCEPT_HU
    return volume_hu.with_array(values.clip(0, STORED_MAXIMUM).astype(np.uint16))


def write_series(volume_hu: hd.Volume, *, exam: Dataset, protocol: Protocol, folder: Path) -> Iterator[Path]:
    """Write one file an axial slice of `volume_hu` (affine in mm, LPS) into `folder`, yielding each path as written.

    `exam` holds the patient, study, frame of reference and equipment attributes.
    """
    header = _series_header(exam, protocol)
    numbered = enumerate(series.slices_of(stored(volume_hu), Plane.AXIAL), start=1)
    yield from series.write((_instance(header, image, number=number) for number, image in numbered), folder)


def _series_header(exam: Dataset, protocol: Protocol) -> Dataset:
    header = series.series_header(exam, modality="CT", number=protocol.series_number, description=protocol.description)
    header.BodyPartExamined = protocol.body_part
    header.PatientPosition = "HFS"
    header.AcquisitionNumber = 1
    header.KVP = protocol.kvp
    header.XRayTubeCurrent = protocol.tube_current
    header.RevolutionTime = protocol.revolution_time
    header.ConvolutionKernel = protocol.kernel
    header.ContrastBolusAgent = protocol.contrast_agent
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = INTERCEPT_HU, 1, "HU"
    header.WindowCenter, header.WindowWidth = 40, 400
    return header


def _instance(header: Dataset, image: Slice, *, number: int) -> Dataset:
    instance = series.slice_instance(header, image, sop_class=CTImageStorage, number=number)
    instance.ImagePositionPatient = [_decimal(number) for number in image.image_position_patient]
    instance.SliceLocation = _decimal(image.image_position_patient[2])
    return instance


def _decimal(millimetres: float) -> DSfloat:
    return DSfloat(millimetres, auto_format=True)  # at most 16 characters, as DS allows
