"""One list of structures for all arms of a case, so that their findings have the same segments in the same order.

What an arm does not draw is an empty segment of it. Names come from the codes, by DICOM's own dictionary. What that
does not know keeps the words of its maker where there is but one arm, which nothing could be told from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.blinding.codes import Concept
from studies.blinding.errors import Unshowable
from studies.blinding.masks import NO_CODE, Drawn

TISSUE = Concept("SCT", "85756007")
_NAMELESS = "Structure"

Key = tuple[Concept, int]


@dataclass(frozen=True)
class Named:
    """A structure as readers know it: `Liver`, or `Lesion 2` of several."""

    code: Concept
    meaning: str
    label: str


@dataclass(frozen=True)
class Aligned:
    """What each arm draws, by the same structures. None where an arm does not draw one."""

    structures: tuple[Named, ...]
    by_arm: Mapping[str, tuple[NDArray[np.uint8] | None, ...]]


def align(drawn: Mapping[str, Sequence[Drawn]]) -> Aligned:
    """Bring the segments of all arms into one order.

    Where each arm draws one structure, they are taken for the same, whatever its code. Raises Unshowable where arms
    draw structures that no other knows: which are the same nobody could tell, and a reader could tell the arms by them.
    """
    words = {one.structure: one.words for segments in drawn.values() for one in segments} if len(drawn) == 1 else {}
    if all(len(segments) <= 1 for segments in drawn.values()):
        codes = {segment.structure for segments in drawn.values() for segment in segments}
        only = codes.pop() if len(codes) == 1 else NO_CODE
        bits = {arm: (segments[0].bits if segments else None,) for arm, segments in drawn.items()}
        return Aligned((_named((only, 1), 1, 1, words),), bits)
    keyed = {arm: _keyed(segments) for arm, segments in drawn.items()}
    most = max(keyed, key=lambda arm: (len(keyed[arm]), arm))
    _check_nested(keyed, most)
    order = sorted(keyed[most])
    of_code = Counter(structure for structure, _ in order)
    named = [_named(key, at, of_code[key[0]], words) for at, key in enumerate(order, start=1)]
    return Aligned(tuple(named), {arm: tuple(map(segments.get, order)) for arm, segments in keyed.items()})


def _keyed(segments: Sequence[Drawn]) -> dict[Key, NDArray[np.uint8]]:
    seen: Counter[Concept] = Counter()
    keyed = {}
    for segment in segments:
        seen[segment.structure] += 1
        keyed[segment.structure, seen[segment.structure]] = segment.bits
    return keyed


def _check_nested(keyed: Mapping[str, Mapping[Key, object]], most: str) -> None:
    for arm, segments in keyed.items():
        if strange := sorted(segments.keys() - keyed[most].keys()):
            code = " ".join(part for part in (strange[0][0].scheme, strange[0][0].value) if part) or "no code at all"
            raise Unshowable(
                f'Arm "{arm}" draws a structure ({code}) that arm "{most}" does not, and the other way round; so '
                "which are the same cannot be told. Have both code their segments alike (Segmented Property Type)."
            )


def _named(key: Key, at: int, count: int, words: Mapping[Concept, str]) -> Named:
    """at: place in the list, for what has no name; count: how many there are of this code."""
    structure, ordinal = key
    meaning = structure.meaning or (words.get(structure, "") if structure.is_public else "")
    if not meaning:
        return Named(TISSUE, "Tissue", _NAMELESS if at == count == 1 else f"{_NAMELESS} {at}")
    return Named(structure, meaning[:64], (meaning if count == 1 else f"{meaning[:60]} {ordinal}")[:64])
