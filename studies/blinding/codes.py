"""Coded concepts, by DICOM's own dictionary: what a code means, never what somebody wrote that it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import cast

from pydicom import Dataset
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping as snomed_mapping


@dataclass(frozen=True, order=True)
class Concept:
    """Scheme and value of a code. SNOMED's older codes are read as today's."""

    scheme: str
    value: str

    @property
    def meaning(self) -> str | None:
        """DICOM's own word for it, or None for what it does not know, such as a vendor's."""
        return _meanings(self.scheme).get(self.value)

    @property
    def is_public(self) -> bool:
        """Whether its scheme is one that DICOM uses, and not somebody's own."""
        return self.scheme in concepts


def own_words(item: Dataset | None) -> str:
    """What whoever wrote the item calls its code."""
    return "" if item is None else str(item.get("CodeMeaning", ""))


def concept_of(item: Dataset | None) -> Concept | None:
    """The code that an item of a code sequence holds; None where there is none."""
    if item is None or not item.get("CodeValue"):
        return None
    scheme, value = str(item.get("CodingSchemeDesignator", "")), str(item.CodeValue)
    return (
        Concept("SCT", snomed_mapping["SRT"].get(value, value)) if scheme in ("SRT", "SCT") else Concept(scheme, value)
    )


@cache
def _meanings(scheme: str) -> dict[str, str]:
    """The shortest words for each code, without SNOMED's note of what kind of thing it is."""
    known = cast(dict[str, dict[str, dict[str, tuple[str, list[int]]]]], concepts)
    found: dict[str, str] = {}
    for codes in known.get(scheme, {}).values():
        for code, (meaning, _) in codes.items():
            plain = re.sub(r"( \([a-z ]+\))+$", "", meaning)
            found[code] = min(found.get(code, plain), plain, key=lambda words: (len(words), words))
    return found
