"""Writes radiographs as DX images: Digital X-Ray Image Storage - For Presentation, Explicit VR Little Endian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation

from portal.demo import series
from portal.demo.series import STORED_MAXIMUM, demonstration_uid


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
    number, image = place
    instance = series.series_header(exam, modality="DX", number=number, description=view.description)
    instance.InstanceNumber = instance.AcquisitionNumber = image
    sop_instance = demonstration_uid(exam.StudyInstanceUID, str(number), str(image))
    series.identify(instance, sop_class=DigitalXRayImageStorageForPresentation, sop_instance=sop_instance)
    series.begin_after(instance, 10 * number + image)
    _acquisition(instance, view, spacing)
    _picture(instance, pixels)
    return instance


def _acquisition(instance: Dataset, view: View, spacing: float) -> None:
    instance.PresentationIntentType = "FOR PRESENTATION"
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
    series.set_pixels(instance, np.rint(pixels * STORED_MAXIMUM).clip(0, STORED_MAXIMUM))
    instance.PixelIntensityRelationship, instance.PixelIntensityRelationshipSign = "LOG", -1
    instance.RescaleIntercept, instance.RescaleSlope, instance.RescaleType = 0, 1, "US"
    instance.PresentationLUTShape = "IDENTITY"
    instance.WindowCenter, instance.WindowWidth = (STORED_MAXIMUM + 1) / 2, STORED_MAXIMUM + 1
    instance.LossyImageCompression, instance.BurnedInAnnotation = "00", "NO"


def _coded(concept: Concept) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = concept.value, "SCT", concept.meaning
    return Sequence([item])
