"""Under which labels an annotator's viewer knows the structures of the mask that it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from inference.writers.drawn import DrawnStructure
from studies.annotation import structures
from studies.blinding import drawing, selection
from studies.blinding.codes import Concept
from studies.models import Read


def of_read(read: Read) -> Mapping[str, DrawnStructure]:
    """The structures by the label under which the read's root shows them; none where it shows no segmentation.

    The root names them by their codes, and puts them in the order of these: see `studies.blinding.structures.align`.
    """
    drawn = drawing.draw(selection.select(read))
    if drawn is None:
        return {}
    seen: Counter[Concept] = Counter()
    keyed: list[tuple[tuple[Concept, int], DrawnStructure]] = []
    for one in structures.expected(read.protocol.content, read.condition):
        concept = structures.concept_of_structure(one)
        seen[concept] += 1
        keyed.append(((concept, seen[concept]), one))
    in_order = [one for _, one in sorted(keyed, key=lambda pair: pair[0])]
    return {named.label: one for named, one in zip(drawn.structures, in_order, strict=False)}
