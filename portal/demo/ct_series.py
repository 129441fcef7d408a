"""Writes a volume as the files of one classic CT series: CT Image Storage, Explicit VR Little Endian."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from portal.demo.mr_series import Plane, Slice, demonstration_uid, slices_of

INTERCEPT_HU = -1024
STORED_MAXIMUM = 4095  # 12 bits, as CT scanners store


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
    series = _series_header(exam, protocol)
    for number, image in enumerate(slices_of(stored(volume_hu), Plane.AXIAL), start=1):
        path = folder / f"{protocol.series_number:02d}-{number:04d}.dcm"
        pydicom.dcmwrite(path, _instance(series, image, number=number), enforce_file_format=True)
        yield path


def _series_header(exam: Dataset, protocol: Protocol) -> Dataset:
    header = deepcopy(exam)  # Dataset(exam) would share its elements
    header.Modality = "CT"
    header.SeriesNumber = protocol.series_number
    header.SeriesInstanceUID = demonstration_uid(exam.StudyInstanceUID, str(protocol.series_number))
    header.SeriesDescription = header.ProtocolName = protocol.description
    header.SeriesDate = header.AcquisitionDate = header.ContentDate = exam.StudyDate
    time = f"{int(exam.StudyTime) + protocol.series_number:06d}"
    header.SeriesTime = header.AcquisitionTime = header.ContentTime = time
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


def _instance(series: Dataset, image: Slice, *, number: int) -> Dataset:
    instance = deepcopy(series)
    instance.file_meta = _file_meta(demonstration_uid(series.SeriesInstanceUID, str(number)))
    instance.SOPClassUID = CTImageStorage
    instance.SOPInstanceUID = instance.file_meta.MediaStorageSOPInstanceUID
    instance.InstanceNumber = number
    instance.ImagePositionPatient = [_decimal(number) for number in image.image_position_patient]
    instance.ImageOrientationPatient = list(image.image_orientation_patient)
    instance.SliceLocation = _decimal(image.image_position_patient[2])
    instance.PixelSpacing = list(image.pixel_spacing)
    instance.SliceThickness = image.slice_thickness
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = image.pixels.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 16, 12, 11
    instance.PixelRepresentation = 0
    instance.PixelData = image.pixels.astype("<u2").tobytes()
    return instance


def _decimal(millimetres: float) -> DSfloat:
    return DSfloat(millimetres, auto_format=True)  # at most 16 characters, as DS allows


def _file_meta(sop_instance_uid: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = demonstration_uid("implementation")
    meta.ImplementationVersionName = "OVERREAD_DEMO_1"
    return meta
