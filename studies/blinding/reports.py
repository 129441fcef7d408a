"""A structured report made anew (PS3.16, TID 1500): of the blinded images' headers, and of what `findings` kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from highdicom import sr
from pydicom import DataElement, Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from studies.blinding.codes import Concept
from studies.blinding.errors import Unshowable
from studies.blinding.findings import Finding, Number, Region, Report
from studies.blinding.salts import Salt
from studies.blinding.segmentation import MADE_BY, Place

_NAMELESS = "Finding"
_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
_UNITS = {"ml": "milliliter", "mm": "millimeter", "mm2": "square millimeter", "%": "percent", "1": "no units"}
_DATES = ("SeriesDate", "ContentDate", "InstanceCreationDate")
_TIMES = ("SeriesTime", "ContentTime", "InstanceCreationTime")

Group = sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations


def make(
    report: Report, headers: Sequence[dict[str, Any]], place: Place, *, salt: Salt, has_own_words: bool
) -> Dataset:
    """The report, without file meta information.

    headers: of the read's images, as it shows them; has_own_words: whether codes that DICOM's dictionary does not know
    keep the words of the report's maker. Raises Unshowable where it refers to an image that is not among them.
    """
    images = {str(image.SOPInstanceUID): image for image in map(Dataset.from_json, headers)}
    words = report.words if has_own_words else {}
    groups = [
        group
        for number, finding in enumerate(report.findings, start=1)
        for group in _groups(finding, number, images, words, salt)
    ]
    made = sr.ComprehensiveSR(
        evidence=list(images.values()),
        content=sr.MeasurementReport(
            observation_context=_nobody(salt),
            procedure_reported=_PROCEDURE,
            imaging_measurements=groups or [_nothing(images, salt)],
        ),
        series_instance_uid=place.series_uid,
        series_number=place.number,
        series_description=place.description,
        sop_instance_uid=place.sop_uid,
        instance_number=1,
        manufacturer=MADE_BY,
        manufacturer_model_name=MADE_BY,
        is_complete=True,
    )
    _date_as(made, next(iter(images.values())))
    made.walk(_without_moment)
    return made


def _groups(
    finding: Finding, number: int, images: Mapping[str, Dataset], words: Mapping[Concept, str], salt: Salt
) -> list[Group]:
    """One group for each region; one for a finding that is drawn nowhere."""
    about: dict[str, Any] = {
        "finding_type": _code(finding.finding, words) if finding.finding else None,
        "finding_sites": [sr.FindingSite(_code(site, words)) for site in finding.sites] or None,
        "measurements": [_measurement(one, words) for one in finding.numbers] or None,
    }
    if not finding.regions:
        return [sr.MeasurementsAndQualitativeEvaluations(tracking_identifier=_tracked(number, 0, salt), **about)]
    return [
        sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracked(number, at, salt),
            referenced_region=_region(region, images, salt),
            **about,
        )
        for at, region in enumerate(finding.regions, start=1)
    ]


def _region(region: Region, images: Mapping[str, Dataset], salt: Salt) -> sr.ImageRegion:
    image = images.get(salt.remapped(region.sop))
    if image is None:
        raise Unshowable(
            "A report draws on an image that readers are not shown. Have it made on the exam's own images."
        )
    return sr.ImageRegion(
        graphic_type=region.kind,
        graphic_data=np.asarray(region.points),
        source_image=sr.SourceImageForRegion(
            image.SOPClassUID, image.SOPInstanceUID, [region.frame] if region.frame else None
        ),
    )


def _measurement(number: Number, words: Mapping[Concept, str]) -> sr.Measurement:
    unit = Code(number.unit.value, "UCUM", number.unit.meaning or _UNITS.get(number.unit.value, number.unit.value))
    return sr.Measurement(name=_code(number.concept, words), value=round(number.value, 2), unit=unit)


def _code(concept: Concept, words: Mapping[Concept, str]) -> Code:
    return Code(concept.value, concept.scheme, (concept.meaning or words.get(concept) or _NAMELESS)[:64])


def _tracked(number: int, at: int, salt: Salt) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(salt.uid("tracking", str(number), str(at)), f"{_NAMELESS} {number}")


def _nothing(images: Mapping[str, Dataset], salt: Salt) -> Group:
    """The template asks for one group at least."""
    first = next(iter(images.values()))
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(0, 0, salt),
        source_images=[sr.SourceImageForMeasurementGroup(first.SOPClassUID, first.SOPInstanceUID)],
    )


def _nobody(salt: Salt) -> sr.ObservationContext:
    """The template asks for an observer: a device of no name."""
    device = sr.DeviceObserverIdentifyingAttributes(uid=salt.uid("observer"), name=MADE_BY)
    context = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=context)


def _date_as(made: Dataset, image: Dataset) -> None:
    """The exam's date for every date of the report, which would tell when it was made; and no word of the software."""
    if "ContributingEquipmentSequence" in made:
        del made.ContributingEquipmentSequence
    for keywords, of in ((_DATES, "StudyDate"), (_TIMES, "StudyTime")):
        for keyword in keywords:
            if keyword in made:
                setattr(made, keyword, image.get(of, ""))


def _without_moment(dataset: Dataset, element: DataElement) -> None:
    if element.VR == "DT":
        del dataset[element.tag]
