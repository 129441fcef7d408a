"""The answers of one response, each by itself: one for each question, and in groups for each finding or segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from feedback.form_schema import FormDefinition
from feedback.questions import Confidence, Number, PerFinding, PerSegment, PlainQuestion, Question


@dataclass(frozen=True, kw_only=True)
class Given:
    """One answer. item: the finding or segment of a group that it is about, else empty.

    value: as it is stored; several choices are joined by `|`. words: in the form's own language.
    """

    question: PlainQuestion
    section: str
    group: str = ""
    item: str = ""
    item_label: str = ""
    value: Any
    words: str

    @property
    def unit(self) -> str:
        """The unit of a number, as people write it."""
        if isinstance(self.question, Confidence):
            return "%"
        return self.question.written_unit if isinstance(self.question, Number) else ""


def given(definition: FormDefinition, answers: Mapping[str, Any]) -> Iterator[Given]:
    """Every answer in the order of the form."""
    for section in definition.sections:
        yield from _of(section.questions, answers, section.title)


def _of(questions: Iterable[Question], answers: Mapping[str, Any], section: str, **about: str) -> Iterator[Given]:
    for question in questions:
        if question.key not in answers:
            continue
        answer = answers[question.key]
        match question:
            case PerFinding():
                yield from _of_findings(question, answer, section)
            case PerSegment():
                yield from _of_segments(question, answer, section)
            case _:
                value = "|".join(map(str, answer)) if isinstance(answer, list) else answer
                yield Given(question=question, section=section, value=value, words=question.say(answer), **about)


def _of_findings(group: PerFinding, answer: object, section: str) -> Iterator[Given]:
    for number, one in enumerate(cast(Sequence[Mapping[str, Any]], answer), start=1):
        item = str(one.get("finding", number))
        label = f"{group.noun} {number}"
        yield from _of(group.questions, one["answers"], section, group=group.key, item=item, item_label=label)


def _of_segments(group: PerSegment, answer: object, section: str) -> Iterator[Given]:
    labels = {segment.key: segment.label for segment in group.segments}
    for key, one in cast(Mapping[str, Mapping[str, Any]], answer).items():
        label = labels.get(key, key)
        yield from _of(group.questions, one, section, group=group.key, item=key, item_label=label)
