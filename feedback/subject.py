"""What of a result the groups of a form ask about: its findings, and the segments of its segmentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from feedback.form_schema import FormDefinition
from feedback.questions import PerFinding, PerSegment
from inference.models import Finding, Result

WITHOUT_LETTER = "segment"


@dataclass(frozen=True, kw_only=True)
class Named:
    """One thing that is asked about: `ref` stands in answers, `label` on the page."""

    ref: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What there is to ask about. A result-less read has nothing of it."""

    findings: tuple[Named, ...] = ()
    segments: tuple[Named, ...] = ()


NOTHING = Subject()


def subject_of(result: Result | None, definition: FormDefinition) -> Subject:
    """What of `result` the groups of `definition` ask about: a query for the findings, and one for the segments.

    Findings are those that lie in an image, segments those that were measured.
    """
    if result is None:
        return NOTHING
    groups = definition.questions
    wants_findings = any(isinstance(group, PerFinding) and group.source == "result" for group in groups)
    wants_segments = any(isinstance(group, PerSegment) and not group.segments for group in groups)
    return Subject(
        findings=tuple(_findings(result)) if wants_findings else (),
        segments=named_segments(_structures(result)) if wants_segments else (),
    )


def _findings(result: Result) -> Iterator[Named]:
    for box in result.findings.filter(kind=Finding.Kind.BOX):
        yield Named(ref=str(box.pk), label=f"{box.name}: {box.label}")


def _structures(result: Result) -> Iterable[str]:
    measured = result.measurements.exclude(structure="").order_by("pk")
    return measured.values_list("structure", flat=True)


def named_segments(labels: Iterable[str]) -> tuple[Named, ...]:
    """The segments with these labels, each once, with a key made of its label."""
    taken: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        key, number = key_of(label), 2
        while key in taken:
            key, number = f"{key_of(label)[:46]}-{number}", number + 1
        taken[key] = label
    return tuple(Named(ref=key, label=label) for key, label in taken.items())


def key_of(label: str) -> str:
    """`label` as a key: small letters, digits and hyphens, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"{WITHOUT_LETTER}-{plain}".strip("-")
    return plain[:50].rstrip("-")
