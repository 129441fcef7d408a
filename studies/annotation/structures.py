"""Which structures an arm's masks have: those of the pipeline that its annotators start from, or that is judged beside.

So the masks of all arms are coded alike and readers cannot tell them apart by what they draw. Voxels of the number that
a structure has in the pipeline's segmentation are that structure in a NIfTI label map, too. Where the protocol names no
pipeline, a SEG keeps its own codes, and the labels of a NIfTI file are `Structure 1` and so on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from inference import pipeline
from inference.errors import InferenceError
from inference.models import PipelineVersion
from inference.schema import Code, SegmentOutput
from inference.writers.drawn import DrawnStructure
from studies.annotation.errors import NotAMask
from studies.blinding.codes import Concept, concept_of
from studies.blinding.segmentation import COLOURS
from studies.blinding.structures import TISSUE
from studies.protocols.protocol_schema import PeopleFindings, PipelineFindings, Protocol

MOST = 64
"""Structures of one mask, where no pipeline says how many there are."""
_ANATOMY = Code(value="91723000", scheme="SCT", meaning="Anatomical Structure")
_TISSUE = Code(value=TISSUE.value, scheme=TISSUE.scheme, meaning="Tissue")
_GENERIC = frozenset({None, TISSUE, Concept("SCT", "91723000")})
"""Codes that viewers and drawing programs write where they know no better: nothing can be told by them."""
_SEGMENTS: TypeAdapter[list[SegmentOutput]] = TypeAdapter(list[SegmentOutput])


@dataclass(frozen=True)
class Segment:
    """A segment of a SEG as its header has it."""

    number: int
    label: str
    concept: Concept | None

    @property
    def said(self) -> str:
        """How people speak of it."""
        code = f" ({self.concept.scheme} {self.concept.value})" if self.concept else ""
        return f'segment {self.number} "{self.label}"{code}'


def expected(protocol: Protocol, arm: str) -> tuple[DrawnStructure, ...]:
    """The structures of the arm's masks in the order of their numbers; none where the protocol names no pipeline."""
    name = _pipeline_of(protocol, arm)
    if not name:
        return ()
    digest = next((one.digest for one in protocol.pipelines if one.name == name), "")
    return tuple(
        DrawnStructure(number=number, label=one.label, category=one.category, type=one.type, colour=one.colour)
        for number, one in enumerate(sorted(_segments(name, digest), key=lambda one: one.number), start=1)
    )


def numbered(highest: int) -> tuple[DrawnStructure, ...]:
    """Structures of which nothing but their number is known."""
    return tuple(
        DrawnStructure(
            number=number,
            label="Structure" if highest == 1 else f"Structure {number}",
            category=_ANATOMY,
            type=_TISSUE,
            colour=COLOURS[(number - 1) % len(COLOURS)],
        )
        for number in range(1, highest + 1)
    )


def as_coded(segments: Sequence[Dataset]) -> tuple[DrawnStructure, ...]:
    """The structures as a SEG's own Segment Sequence has them, where the protocol says nothing of them."""
    return tuple(
        DrawnStructure(
            number=number,
            label=str(one.get("SegmentLabel") or f"Structure {number}")[:64],
            category=_code(one, "SegmentedPropertyCategoryCodeSequence", _ANATOMY),
            type=_code(one, "SegmentedPropertyTypeCodeSequence", _TISSUE),
            colour=COLOURS[(number - 1) % len(COLOURS)],
        )
        for number, one in enumerate(segments, start=1)
    )


def matched(
    segments: Sequence[Segment],
    structures: Sequence[DrawnStructure],
    *,
    as_shown: Mapping[str, DrawnStructure] | None = None,
) -> list[DrawnStructure]:
    """Which structure each segment is: by code, else by label, else by number where its code says nothing.

    as_shown: the structures by the label under which the viewer was shown them. It keeps labels, loses codes, and
    counts anew behind an empty segment. Raises NotAMask for a segment that is none of the structures, and for two that
    are one.
    """
    found = [(as_shown or {}).get(one.label) or _match(one, segments, structures) for one in segments]
    for structure, count in Counter(one.number for one in found).items():
        if count > 1:
            label = next(one.label for one in structures if one.number == structure)
            raise NotAMask(f"{count} segments of the file are {label}. Join them into one, and send the file again.")
    return found


def listed(structures: Sequence[DrawnStructure]) -> str:
    """The structures with their numbers, in words."""
    return ", ".join(f"{one.number} {one.label}" for one in structures)


def concept_of_structure(structure: DrawnStructure) -> Concept:
    """The code of a structure, SNOMED's older ones read as today's."""
    return concept_of(_item(structure.type)) or TISSUE


def _pipeline_of(protocol: Protocol, arm: str) -> str:
    findings = protocol.arm(arm).findings
    if isinstance(findings, PeopleFindings) and findings.start:
        return findings.start
    judged = [one for one in protocol.arms if isinstance(one.findings, PipelineFindings)]
    beside = [one for one in judged if one.key in protocol.design.arms_named] or judged
    return next((one.findings.pipeline for one in beside if isinstance(one.findings, PipelineFindings)), "")


def _segments(name: str, digest: str) -> list[SegmentOutput]:
    """Of the version that ran, else of the installed one, else none."""
    known = PipelineVersion.objects.filter(digest=digest) if digest else PipelineVersion.objects.filter(name=name)
    version = known.order_by("-created_at").first()
    if version is not None and version.definition:
        return _SEGMENTS.validate_python(version.definition.get("outputs", {}).get("segments", []))
    try:
        return list(pipeline.load_named(name).outputs.segments)
    except InferenceError:
        return []


def _match(segment: Segment, segments: Sequence[Segment], structures: Sequence[DrawnStructure]) -> DrawnStructure:
    if len(segments) == len(structures) == 1:
        return structures[0]
    found = None if segment.concept in _GENERIC else _by_code(segment, segments, structures)
    found = found or _by_label(segment, structures)
    if found is None and segment.concept in _GENERIC:
        found = next((one for one in structures if one.number == segment.number), None)
    if found is None:
        raise NotAMask(
            f"The file's {segment.said} is none of the structures of this arm: {listed(structures)}. Give the segment "
            "the code or the name of one of them, or take it out, and send the file again."
        )
    return found


def _by_code(
    segment: Segment, segments: Sequence[Segment], structures: Sequence[DrawnStructure]
) -> DrawnStructure | None:
    """Several of one code are told apart by their order."""
    alike = [one for one in structures if concept_of_structure(one) == segment.concept]
    before = sum(one.concept == segment.concept and one.number < segment.number for one in segments)
    return alike[before] if before < len(alike) else None


def _by_label(segment: Segment, structures: Sequence[DrawnStructure]) -> DrawnStructure | None:
    return next((one for one in structures if one.label.casefold() == segment.label.strip().casefold()), None)


def _code(segment: Dataset, keyword: str, otherwise: Code) -> Code:
    item = next(iter(segment.get(keyword) or ()), None)
    if item is None or not item.get("CodeValue") or not item.get("CodingSchemeDesignator"):
        return otherwise
    return Code(
        value=str(item.CodeValue),
        scheme=str(item.CodingSchemeDesignator),
        meaning=str(item.get("CodeMeaning") or item.CodeValue)[:64],
    )


def _item(code: Code) -> Dataset:
    coded = DicomCode(code.value, code.scheme, code.meaning)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = coded.value, coded.scheme_designator, coded.meaning
    return item
