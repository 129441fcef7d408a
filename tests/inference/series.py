"""Small MR series with correct geometry, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from inference.operators.values import SourceSeries

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
_TILT = np.radians(20)
OBLIQUE = (1.0, 0.0, 0.0, 0.0, float(np.cos(_TILT)), float(np.sin(_TILT)))
PLANES = {"axial": AXIAL, "sagittal": SAGITTAL, "coronal": CORONAL, "oblique": OBLIQUE}


@dataclass(frozen=True)
class Patient:
    patient_id: str = "DEMO-0001"
    study_instance_uid: str = "1.2.826.0.1.3680043.8.498.10"
    study_date: str = "20250611"


def mr_series(
    pixels: NDArray[np.uint16],
    *,
    orientation: Sequence[float] = AXIAL,
    spacing: tuple[float, float, float] = (2.0, 1.0, 1.0),
    origin: tuple[float, float, float] = (-20.0, -30.0, -40.0),
    patient: Patient = Patient(),
    description: str = "AX T1",
    series_number: int = 3,
) -> list[Dataset]:
    """One MR image a slice. pixels: (slices, rows, columns); spacing in mm in that order; origin in mm, LPS."""
    series = _series(patient, description, series_number)
    series.Rows, series.Columns = pixels.shape[1:]
    series.PixelSpacing = [spacing[1], spacing[2]]
    series.SliceThickness = spacing[0]
    series.ImageOrientationPatient = list(orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    return [
        _instance(series, plane, number=index + 1, position=np.array(origin) + index * spacing[0] * normal)
        for index, plane in enumerate(pixels)
    ]


def source(instances: Sequence[Dataset]) -> SourceSeries:
    return SourceSeries(tuple(instances))


def write(instances: Sequence[Dataset], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for instance in instances:
        pydicom.dcmwrite(folder / f"{instance.SOPInstanceUID}.dcm", instance, enforce_file_format=True)
    return folder


def numbered_voxels(shape: tuple[int, int, int] = (5, 6, 7)) -> NDArray[np.uint16]:
    """Every voxel with a value of its own, so that any mix-up of axes shows."""
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def _series(patient: Patient, description: str, number: int) -> Dataset:
    series = Dataset()
    series.SOPClassUID = MRImageStorage
    series.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    series.PatientID, series.PatientName = patient.patient_id, "Demo^Alder"
    series.PatientBirthDate, series.PatientSex, series.PatientAge = "19630412", "O", "062Y"
    series.StudyInstanceUID, series.StudyID = patient.study_instance_uid, "1"
    series.StudyDate = series.SeriesDate = series.AcquisitionDate = series.ContentDate = patient.study_date
    series.StudyTime = series.SeriesTime = series.AcquisitionTime = series.ContentTime = "101500"
    series.StudyDescription, series.AccessionNumber, series.ReferringPhysicianName = "MR brain", "ACC1", ""
    series.SeriesInstanceUID = generate_uid(entropy_srcs=[patient.study_instance_uid, str(number)])
    series.SeriesNumber, series.SeriesDescription, series.Modality = number, description, "MR"
    series.FrameOfReferenceUID = generate_uid(entropy_srcs=[patient.study_instance_uid])
    series.PositionReferenceIndicator = ""
    series.Manufacturer, series.ManufacturerModelName = "Test", "Phantom"
    series.PatientPosition, series.BodyPartExamined = "HFS", "HEAD"
    series.ScanningSequence, series.SequenceVariant, series.ScanOptions = "GR", "NONE", ""
    series.MRAcquisitionType, series.EchoTime, series.RepetitionTime, series.EchoTrainLength = "3D", 3, 2000, 1
    series.SamplesPerPixel, series.PhotometricInterpretation, series.PixelRepresentation = 1, "MONOCHROME2", 0
    series.BitsAllocated, series.BitsStored, series.HighBit = 16, 16, 15
    return series


def _instance(series: Dataset, plane: NDArray[np.uint16], *, number: int, position: NDArray[np.float64]) -> Dataset:
    instance = deepcopy(series)
    instance.SOPInstanceUID = generate_uid(entropy_srcs=[series.SeriesInstanceUID, str(number)])
    instance.InstanceNumber = number
    instance.ImagePositionPatient = [round(float(value), 6) for value in position]
    instance.PixelData = plane.astype("<u2").tobytes()
    instance.file_meta = FileMetaDataset()
    instance.file_meta.MediaStorageSOPClassUID = series.SOPClassUID
    instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return instance
