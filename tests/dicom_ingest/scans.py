"""Small DICOM instances for tests, and their way into the portal by the real spool and indexer."""

from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from dicom_ingest.completion import complete_now
from dicom_ingest.indexer import receive_part10
from dicom_ingest.models import Exam, Instance, Route
from studies.cases.enrolment import enrol_complete_exams

ROOT = "1.2.826.0.1.3680043.8.498.77"
STUDY = f"{ROOT}.1"
T1 = f"{ROOT}.1.1"
FLAIR = f"{ROOT}.1.2"
ROWS, COLUMNS = 12, 16


def mr_slice(number: int, *, study: str = STUDY, series: str = T1, **attributes: Any) -> Dataset:
    """One MR image of 12 x 16 pixels whose values differ from those of every other number and series."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = f"{series}.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientName, dataset.PatientID = "Demo^Älder=山田", "DEMO-0001"
    dataset.PatientBirthDate, dataset.PatientSex = "19510203", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20240315", "101530.5", "ACC0001"
    dataset.StudyID, dataset.StudyDescription, dataset.ReferringPhysicianName = "S1", "MR Brain", "House^Gregory"
    dataset.SeriesDate, dataset.SeriesTime = "20240315", "101600"
    dataset.Modality, dataset.SeriesNumber, dataset.SeriesDescription = "MR", 1, "T1 3D"
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0.0, 0.0, float(number)], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1.5, 1.5], 1
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = ROWS, COLUMNS, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    pixels = np.arange(ROWS * COLUMNS, dtype="<u2").reshape(ROWS, COLUMNS) + 7 * number + len(series)
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def encoded(dataset: Dataset) -> bytes:
    """The instance as a DICOM file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def receive(*files: Dataset | bytes, called_ae: str = "BRAIN") -> list[Instance]:
    """File the instances as the receiver does."""
    filed = []
    for file in files:
        payload = file if isinstance(file, bytes) else encoded(file)
        outcome = receive_part10(payload, called_ae=called_ae, calling_ae="SCANNER")
        assert outcome.instance is not None, outcome
        filed.append(outcome.instance)
    return filed


def complete(exam: Exam) -> Exam:
    """End the quiet period of the exam's routes, and enrol it in the studies of their AE titles."""
    for route in Route.objects.filter(exam=exam, completed_at=None):
        assert complete_now(route)
    enrol_complete_exams()
    return exam
