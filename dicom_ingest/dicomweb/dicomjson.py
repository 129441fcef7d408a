"""DICOM JSON (PS3.18 F.2) of single attributes, and the names by which requests call attributes."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from pydicom import datadict

Element = dict[str, Any]
Value = str | int | date | None | Sequence[str] | Sequence[Mapping[str, Any]]

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_PERSON_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def keyword_of(name: str) -> str | None:
    """The keyword of the attribute that `name` gives, as a keyword or as eight hexadecimal digits, or None."""
    tag = int(name, 16) if _TAG.fullmatch(name) else datadict.tag_for_keyword(name)
    return (datadict.keyword_for_tag(tag) or None) if tag is not None else None


def path_of(name: str) -> str | None:
    """The keywords of `name`, one or two of them with a dot between: an attribute, or one in a sequence. Or None."""
    keywords = [keyword_of(part) for part in name.split(".")[:3]]
    if len(keywords) > 2 or None in keywords:
        return None
    return ".".join(keyword for keyword in keywords if keyword)


def tag_of(name: str) -> str | None:
    """The tag of the attribute that `name` gives, eight hexadecimal digits, or None. Private ones are tags too."""
    tag = int(name, 16) if _TAG.fullmatch(name) else datadict.tag_for_keyword(name)
    return None if tag is None else f"{tag:08X}"


@cache
def tag_and_vr(keyword: str) -> tuple[str, str]:
    """The tag as eight hexadecimal digits, and the value representation. Raises KeyError for no DICOM keyword."""
    tag = datadict.tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}", datadict.dictionary_VR(tag)


def dataset(**values: Value) -> Element:
    """A DICOM JSON object of attributes by keyword, in the order of their tags. None and "" are empty attributes."""
    elements = {tag_and_vr(keyword)[0]: _element(tag_and_vr(keyword)[1], value) for keyword, value in values.items()}
    return dict(sorted(elements.items()))


def _element(vr: str, value: Value) -> Element:
    if value is None or value in ("", [], ()):
        return {"vr": vr}
    if vr == "PN":
        return {"vr": vr, "Value": [_person_name(str(value))]}
    if isinstance(value, date):
        return {"vr": vr, "Value": [value.strftime("%Y%m%d")]}
    if isinstance(value, str | int):
        return {"vr": vr, "Value": [value]}
    return {"vr": vr, "Value": list(value)}


def _person_name(name: str) -> dict[str, str]:
    groups = zip(_PERSON_NAME_GROUPS, name.split("="), strict=False)
    return {group: text for group, text in groups if text}
