"""Series of several modalities, and radiographs, to write results of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from tests.inference.series import Patient, mr_series, numbered_voxels

ANNA = Patient("DEMO-0002", "1.2.826.0.1.3680043.8.498.20")


def ct_series(patient: Patient = ANNA) -> list[Dataset]:
    """A CT with HU by rescale slope and intercept."""
    instances = mr_series(numbered_voxels((6, 16, 20)), patient=patient, description="CT abdomen")
    for instance in instances:
        instance.SOPClassUID = instance.file_meta.MediaStorageSOPClassUID = CTImageStorage
        instance.Modality, instance.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        instance.RescaleSlope, instance.RescaleIntercept, instance.RescaleType = 1, -1024, "HU"
        instance.WindowCenter, instance.WindowWidth = 40, 400
    return instances


def radiographs(count: int = 2, *, rows: int = 100, columns: int = 120, patient: Patient = ANNA) -> list[Dataset]:
    """Projections of 12 bits, each in a series of its own, the first one stored white on black inverted."""
    return [_radiograph(number, rows, columns, patient) for number in range(count)]


def _radiograph(number: int, rows: int, columns: int, patient: Patient) -> Dataset:
    image = _projection_of(patient)
    image.SeriesInstanceUID = generate_uid(entropy_srcs=[patient.study_instance_uid, "dx", str(number)])
    image.SOPInstanceUID = generate_uid(entropy_srcs=[patient.study_instance_uid, "dx image", str(number)])
    image.SeriesNumber, image.InstanceNumber = number + 1, 1
    image.Rows, image.Columns = rows, columns
    ramp = np.linspace(0, 4095, rows * columns).reshape(rows, columns)
    image.PhotometricInterpretation = "MONOCHROME1" if number == 0 else "MONOCHROME2"
    image.PresentationLUTShape = "INVERSE" if number == 0 else "IDENTITY"
    image.PixelData = (4095 - ramp if number == 0 else ramp).astype("<u2").tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def _projection_of(patient: Patient) -> Dataset:
    image = Dataset()
    image.SOPClassUID, image.Modality = DigitalXRayImageStorageForPresentation, "DX"
    image.ImageType, image.PresentationIntentType = ["ORIGINAL", "PRIMARY", ""], "FOR PRESENTATION"
    image.PatientID, image.PatientName = patient.patient_id, "Demo^Anna"
    image.PatientBirthDate, image.PatientSex = "19510203", "F"
    image.StudyInstanceUID, image.StudyID, image.AccessionNumber = patient.study_instance_uid, "2", "ACC2"
    image.StudyDate = image.SeriesDate = image.ContentDate = patient.study_date
    image.StudyTime = image.SeriesTime = image.ContentTime = "111500"
    image.ReferringPhysicianName, image.SeriesDescription = "", "Pelvis AP"
    image.Manufacturer, image.ImagerPixelSpacing = "Test", [0.5, 0.5]
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.RescaleSlope, image.RescaleIntercept, image.PixelIntensityRelationship = 1, 0, "LOG"
    return image


def sources() -> dict[str, Sequence[Dataset]]:
    """What results are written of: by name, so that a failing test says which."""
    from tests.inference.writers.runs import multi_frame_series

    return {"MR": mr_series(numbered_voxels()), "CT": ct_series(), "enhanced MR": multi_frame_series()}
