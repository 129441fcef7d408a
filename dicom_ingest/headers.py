"""What rules and pipelines may know of an exam and its series before any pixel is read: DICOM keywords and values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword

EXAM_KEYWORDS = frozenset(
    {
        "BodyPartExamined",
        "InstitutionName",
        "Manufacturer",
        "ModalitiesInStudy",
        "Modality",
        "NumberOfSeries",
        "PatientAge",
        "PatientSex",
        "PatientSize",
        "PatientWeight",
        "StationName",
        "StudyDate",
        "StudyDescription",
        "StudyTime",
    }
)
COUNTED = frozenset({"NumberOfInstances"})
"""Attributes of a series that Overread counts and that are no DICOM keywords."""
DERIVED = frozenset({"ImagePlane"})
"""The same that Overread tells from other attributes; texts."""
OF_SERIES = COUNTED | DERIVED
COUNTED_OF_EXAM = frozenset({"NumberOfSeries"})
"""The same of an exam."""

_IDENTIFYING = frozenset(
    {
        "AccessionNumber",
        "IssuerOfPatientID",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "PatientAddress",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientID",
        "PatientInsurancePlanCodeSequence",
        "PatientTelephoneNumbers",
    }
)
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
PLANES = ("sagittal", "coronal", "axial")
"""The plane whose normal runs along x, y and z of the patient's coordinate system (LPS)."""
NEAR_PLANE = math.cos(math.radians(30))
PER_FRAME = "PerFrameFunctionalGroupsSequence"
INTEGERS = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
DECIMALS = frozenset({"DS", "FD", "FL"})


@dataclass(frozen=True)
class SeriesHeader:
    """One series: its first instance's attributes by DICOM keyword, `NumberOfInstances` and `ImagePlane`.

    ImagePlane: `axial`, `coronal` or `sagittal` when the image's normal lies within 30 degrees of that plane's, else
    `oblique`; absent where the image has no orientation.

    Numbers are numbers. Attributes that may hold several values are lists, even when they hold one.
    Empty, binary and identifying attributes are absent.
    """

    series_instance_uid: str
    values: Mapping[str, object]

    @property
    def of_instance(self) -> dict[str, object]:
        """The first instance's own attributes, without what Overread says of the series."""
        return {keyword: value for keyword, value in self.values.items() if keyword not in OF_SERIES}

    @property
    def label(self) -> str:
        """How people speak of the series: `Series 3 "AX T1"`."""
        return series_label(self.values.get("SeriesNumber"), self.values.get("SeriesDescription"))


def series_label(number: object, description: object) -> str:
    """`Series 3 "AX T1"`, with what is absent left out."""
    name = "Series" if number is None else f"Series {number}"
    return f'{name} "{description}"' if description else name


def is_identifying(keyword: str) -> bool:
    """Whether an attribute tells who a person is. Such attributes never reach a condition or a reason."""
    tag = tag_for_keyword(keyword)
    return keyword in _IDENTIFYING or (tag is not None and dictionary_VR(tag) == "PN")


def series_header(first_instance: Mapping[str, Any], *, number_of_instances: int) -> SeriesHeader:
    """The header of a series from the DICOM JSON (PS3.18 F.2) of its first instance."""
    values = _values(first_instance)
    uid = str(values["SeriesInstanceUID"])
    plane = _plane(values)
    derived = {} if plane is None else {"ImagePlane": plane}
    return SeriesHeader(uid, {**values, **derived, "NumberOfInstances": number_of_instances})


def series_header_of_dataset(first_instance: Dataset, *, number_of_instances: int) -> SeriesHeader:
    """The header of a series from its first instance as read by pydicom."""
    plain = Dataset({tag: element for tag, element in first_instance.items() if tag.group != 0x7FE0})
    return series_header(plain.to_json_dict(suppress_invalid_tags=True), number_of_instances=number_of_instances)


def exam_header(series: Sequence[SeriesHeader]) -> dict[str, object]:
    """What holds for the whole exam: those of EXAM_KEYWORDS on which all its series agree, and two counts."""
    modalities = sorted({str(header.values["Modality"]) for header in series if "Modality" in header.values})
    return {
        **{keyword: value for keyword in EXAM_KEYWORDS if (value := _agreed(keyword, series)) is not None},
        "ModalitiesInStudy": modalities,
        "NumberOfSeries": len(series),
    }


def _plane(values: Mapping[str, object]) -> str | None:
    cosines = _orientation(values)
    if cosines is None:
        return None
    (a, b, c), (d, e, f) = cosines[:3], cosines[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    if length == 0:
        return None
    across = max(range(3), key=lambda axis: abs(normal[axis]))
    return PLANES[across] if abs(normal[across]) / length >= NEAR_PLANE else "oblique"


def _orientation(values: Mapping[str, object]) -> list[float] | None:
    """Direction cosines of rows and columns, of the image or of the first frame that tells them."""
    for place in (values, *_groups(values, "SharedFunctionalGroupsSequence"), *_groups(values, PER_FRAME)):
        for holder in (place, *_groups(place, "PlaneOrientationSequence")):
            cosines = holder.get("ImageOrientationPatient")
            if isinstance(cosines, list) and len(cosines) == 6:
                return cosines
    return None


def _groups(values: Mapping[str, object], keyword: str) -> list[Mapping[str, object]]:
    items = values.get(keyword)
    return items if isinstance(items, list) else []


def _agreed(keyword: str, series: Sequence[SeriesHeader]) -> object | None:
    values = [header.values.get(keyword) for header in series]
    return values[0] if values and all(value == values[0] for value in values) else None


def _values(attributes: Mapping[str, Any]) -> dict[str, object]:
    values: dict[str, object] = {}
    for tag, element in attributes.items():
        keyword = _keyword(tag)
        if not keyword or is_identifying(keyword) or element["vr"] in _BINARY:
            continue
        given = [_value(item, element["vr"]) for item in element.get("Value", ()) if item is not None]
        if given:
            values[keyword] = given if _is_multiple(int(tag, 16), given) else given[0]
    return values


@lru_cache(maxsize=8192)
def _keyword(tag: str) -> str:
    return keyword_for_tag(int(tag, 16))


def _is_multiple(tag: int, given: list[object]) -> bool:
    return len(given) > 1 or dictionary_VM(tag) != "1" or dictionary_VR(tag) == "SQ"


def _value(item: Any, vr: str) -> object:
    if vr == "SQ":
        return _values(item)
    if vr in DECIMALS:
        return float(item)
    if vr in INTEGERS:
        return int(item)
    return str(item)
