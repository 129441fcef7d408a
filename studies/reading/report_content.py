"""What a measurement report says: the groups of TID 1500 (PS3.16), one for each thing that was drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

REPORTS = (EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage)
MOST_DRAWN = 1000
_GROUP = ("DCM", "125007")
_FINDING = ("DCM", "121071")
_SITE = ("SCT", "363698007")
_FREE_TEXT = "CORNERSTONEFREETEXT"
"""Code that OHIF gives to what a reader typed beside a drawing."""


def drawn_in(report: Dataset) -> list[dict[str, Any]]:
    """Of each thing that was drawn: `finding`, `site` and `label` where they are said, and its `values`.

    A value has its `name`, the `value` as a number, and its `unit` in UCUM.
    """
    return [_drawn(group) for group in _groups(report)]


def _groups(container: Dataset) -> Iterator[Dataset]:
    for item in container.get("ContentSequence") or ():
        if _code(item.get("ConceptNameCodeSequence")) == _GROUP:
            yield item
        else:
            yield from _groups(item)


def _drawn(group: Dataset) -> dict[str, Any]:
    said: dict[str, Any] = {"values": []}
    for item in group.get("ContentSequence") or ():
        name = _code(item.get("ConceptNameCodeSequence"))
        if item.get("ValueType") == "NUM":
            said["values"] += _values(item)
        elif item.get("ValueType") == "CODE":
            said |= _coded(name, item)
    return said


def _values(item: Dataset) -> list[dict[str, Any]]:
    name = _meaning(item.get("ConceptNameCodeSequence"))
    return [
        {
            "name": name,
            "value": float(measured.NumericValue),
            "unit": (_code(measured.get("MeasurementUnitsCodeSequence")) or ("", ""))[1],
        }
        for measured in item.get("MeasuredValueSequence") or ()
    ]


def _coded(name: tuple[str, str] | None, item: Dataset) -> dict[str, str]:
    meaning, code = _meaning(item.get("ConceptCodeSequence")), _code(item.get("ConceptCodeSequence"))
    if code is not None and code[1] == _FREE_TEXT:
        return {"label": meaning}
    if name == _FINDING:
        return {"finding": meaning}
    return {"site": meaning} if name == _SITE else {}


def _code(sequence: Any) -> tuple[str, str] | None:
    """Scheme and value of the one code in a code sequence."""
    if not sequence:
        return None
    return str(sequence[0].get("CodingSchemeDesignator", "")), str(sequence[0].get("CodeValue", ""))


def _meaning(sequence: Any) -> str:
    return str(sequence[0].get("CodeMeaning", "")) if sequence else ""
