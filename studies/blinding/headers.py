"""The headers of images as a read shows them: DICOM JSON in which nothing is left but what `attributes` lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dicom_ingest.dicomweb.dicomjson import dataset
from studies.blinding import moments
from studies.blinding.attributes import CHARACTERISTICS, kept_of_images, tag_of
from studies.blinding.identity import Identity
from studies.blinding.salts import Salt

Element = dict[str, Any]

_TEXTS = frozenset({"SH", "LO", "ST", "LT", "UC", "UT"})
_MOMENTS = frozenset({"DA", "TM", "DT"})
_NAMING = frozenset({"PN", "AE"})
# What else may stand in a description and tell of somebody or some place.
_NAMING_TAGS = frozenset(
    tag_of(keyword)
    for keyword in (
        "PatientID",
        "OtherPatientIDs",
        "AccessionNumber",
        "InstitutionName",
        "InstitutionalDepartmentName",
        "StationName",
        "DeviceSerialNumber",
        "StudyID",
        "AdmissionID",
        "RequestingService",
    )
)
_LONG_NUMBER = re.compile(r"\d{5,}")
_DATE = re.compile(r"\b\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b")
_SHORTEST_WORD = 3
OLDEST = 89
"""Years of age; above it a patient could be told by it (PS3.15 and HIPAA's safe harbour)."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How the headers of one exam are shown. exam: what stands for its description, such as `Earlier exam 1`."""

    salt: Salt
    identity: Identity
    exam: str


def shown(header: Element, exposure: Exposure) -> Element:
    """What a read shows of an image's header, by tag in order.

    header: as the indexer kept it; attributes too large for it are BulkDataURI and stay out.
    """
    words = _naming_words(header)
    kept = _kept(header, exposure, words)
    if "0008103E" in header and "0008103E" not in kept:
        kept["0008103E"] = {"vr": "LO", "Value": [_plain_description(kept)]}
    characteristics = _characteristics(header) if exposure.identity.has_characteristics else {}
    about = dataset(
        SpecificCharacterSet="ISO_IR 192",
        AccessionNumber=None,
        ReferringPhysicianName=None,
        StudyID=None,
        StudyDescription=exposure.exam,
        PositionReferenceIndicator=None,
    )
    return dict(sorted((kept | about | exposure.identity.attributes | characteristics).items()))


def _kept(attributes: Element, exposure: Exposure, words: frozenset[str]) -> Element:
    """Those that stay, at every depth: UIDs remapped, dates moved, texts that name somebody left out."""
    representations = kept_of_images()
    known = {
        tag: element
        for tag, element in attributes.items()
        if element["vr"] in representations.get(tag, "").split(" or ") and "BulkDataURI" not in element
    }
    dated = {tag: element for tag, element in known.items() if element["vr"] in _MOMENTS}
    result = moments.moved(dated, by=exposure.identity.shift)
    for tag, element in known.items():
        if tag not in dated and (one := _one(element, exposure, words)) is not None:
            result[tag] = one
    return result


def _one(element: Element, exposure: Exposure, words: frozenset[str]) -> Element | None:
    values = element.get("Value", [])
    if element["vr"] == "SQ":
        return {"vr": "SQ", "Value": [_kept(item, exposure, words) for item in values]}
    if element["vr"] == "UI":
        return element | {"Value": [exposure.salt.remapped(str(value)) for value in values]}
    if element["vr"] in _TEXTS and any(_names_somebody(str(value), words) for value in values):
        return None
    return element


def _names_somebody(text: str, words: frozenset[str]) -> bool:
    """Whether a text holds one of the exam's names, or a number or a date that may be one."""
    plain = text.casefold()
    return any(word in plain for word in words) or bool(_LONG_NUMBER.search(text) or _DATE.search(text))


def _naming_words(header: Element) -> frozenset[str]:
    """The words, in lower case, by which the header names people, places and numbers of record."""
    texts = (text for tag, element in header.items() if _is_naming(tag, element) for text in _texts(element))
    words = (word for text in texts for word in re.split(r"[\^=\s,;/\\]+", text.casefold()))
    return frozenset(word for word in words if len(word) >= _SHORTEST_WORD)


def _is_naming(tag: str, element: Element) -> bool:
    return element["vr"] in _NAMING or tag in _NAMING_TAGS


def _texts(element: Element) -> Iterable[str]:
    for value in element.get("Value", []):
        yield from map(str, value.values()) if isinstance(value, dict) else [str(value)]


def _plain_description(kept: Element) -> str:
    """What stands in place of a description that named somebody."""
    modality, number = (next(iter(kept.get(tag, {}).get("Value", [])), "") for tag in ("00080060", "00200011"))
    return f"{modality} series {number}".strip()


def _characteristics(header: Element) -> Element:
    found = {tag: header[tag] for tag in map(tag_of, CHARACTERISTICS) if header.get(tag, {}).get("Value")}
    age = tag_of("PatientAge")
    if age in found and (years := re.fullmatch(r"(\d{3})Y", str(found[age]["Value"][0]))) and int(years[1]) > OLDEST:
        found[age] = {"vr": "AS", "Value": [f"{OLDEST + 1:03d}Y"]}
    return found
