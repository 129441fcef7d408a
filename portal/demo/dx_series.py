"""Writes radiographs as DX images: Digital X-Ray Image Storage - For Presentation, Explicit VR Little Endian."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from portal.demo.mr_series import demonstration_uid

STORED_MAXIMUM = 4095  # 12 bits, as detectors store


@dataclass(frozen=True)
class Concept:
    """A coded concept: code value in SNOMED CT, and its meaning."""

    value: str
    meaning: str


PELVIS, HIP, CHEST = Concept("816092008", "Pelvis"), Concept("29836001", "Hip"), Concept("816094009", "Chest")
AP, PA = Concept("399348003", "antero-posterior"), Concept("272479007", "postero-anterior")
OBLIQUE = Concept("399182000", "oblique")


@dataclass(frozen=True)
class View:
    """How one image was taken: what the DX Anatomy Imaged and Positioning modules record.

    laterality: R, L, B for both, U for a part without sides; position: ViewPosition; kvp: kV; mas: mAs.
    """

    description: str
    body_part: str
    anatomy: Concept
    laterality: str
    position: str
    code: Concept
    kvp: float
    mas: float


def dx_image(
    exam: Dataset, view: View, pixels: NDArray[np.float32], *, spacing: float, place: tuple[int, int]
) -> Dataset:
    """One image. pixels: 0 (black) to 1 (white); spacing: mm, at the detector; place: series and instance number.

    `exam` holds the patient, study and equipment attributes. The patient's left is on the image's right.
    """
    instance = deepcopy(exam)
    _identify(instance, exam, place)
    _acquisition(instance, view, spacing)
    _picture(instance, pixels)
    return instance


def write(instance: Dataset, folder: Path) -> Path:
    """Write the image into `folder`, named by its series and number."""
    path = folder / f"{instance.SeriesNumber:02d}-{instance.InstanceNumber:04d}.dcm"
    pydicom.dcmwrite(path, instance, enforce_file_format=True)
    return path


def _identify(instance: Dataset, exam: Dataset, place: tuple[int, int]) -> None:
    series, number = place
    instance.SOPClassUID = DigitalXRayImageStorageForPresentation
    instance.SeriesNumber, instance.InstanceNumber, instance.AcquisitionNumber = series, number, number
    instance.SeriesInstanceUID = demonstration_uid(exam.StudyInstanceUID, str(series))
    instance.SOPInstanceUID = demonstration_uid(exam.StudyInstanceUID, str(series), str(number))
    instance.file_meta = FileMetaDataset()
    instance.file_meta.MediaStorageSOPClassUID = instance.SOPClassUID
    instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.SeriesDate = instance.AcquisitionDate = instance.ContentDate = exam.StudyDate
    time = f"{int(exam.StudyTime) + 10 * series + number:06d}"
    instance.SeriesTime = instance.AcquisitionTime = instance.ContentTime = time


def _acquisition(instance: Dataset, view: View, spacing: float) -> None:
    instance.Modality, instance.PresentationIntentType = "DX", "FOR PRESENTATION"
    instance.SeriesDescription = instance.ProtocolName = view.description
    instance.BodyPartExamined, instance.ImageLaterality = view.body_part, view.laterality
    instance.AnatomicRegionSequence = _coded(view.anatomy)
    instance.ViewPosition, instance.ViewCodeSequence = view.position, _coded(view.code)
    instance.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    instance.PatientOrientation = ["L", "F"]
    instance.AcquisitionContextSequence = Sequence()
    instance.KVP, instance.ExposureInuAs, instance.Exposure = view.kvp, round(1000 * view.mas), round(view.mas)
    instance.PositionerType = "NONE"
    instance.DistanceSourceToDetector = 1150 if view.code is not PA else 1800
    instance.Grid = "FOCUSED"
    instance.DetectorType, instance.DetectorConfiguration = "DIRECT", "AREA"
    instance.ImagerPixelSpacing = [spacing, spacing]


def _picture(instance: Dataset, pixels: NDArray[np.float32]) -> None:
    stored = np.rint(pixels * STORED_MAXIMUM).clip(0, STORED_MAXIMUM).astype("<u2")
    instance.SamplesPerPixel, instance.PhotometricInterpretation = 1, "MONOCHROME2"
    instance.Rows, instance.Columns = stored.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit, instance.PixelRepresentation = 16, 12, 11, 0
    instance.PixelIntensityRelationship, instance.PixelIntensityRelationshipSign = "LOG", -1
    instance.RescaleIntercept, instance.RescaleSlope, instance.RescaleType = 0, 1, "US"
    instance.PresentationLUTShape = "IDENTITY"
    instance.WindowCenter, instance.WindowWidth = (STORED_MAXIMUM + 1) / 2, STORED_MAXIMUM + 1
    instance.LossyImageCompression, instance.BurnedInAnnotation = "00", "NO"
    instance.PixelData = stored.tobytes()


def _coded(concept: Concept) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = concept.value, "SCT", concept.meaning
    return Sequence([item])
