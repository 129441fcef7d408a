"""Answers in words, in the form's language or another one that it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from feedback.form_schema import FormDefinition
from feedback.questions import Answer, PerFinding, PerSegment, Plain, Question
from feedback.wording import in_language

Line = tuple[str, str]


def describe(definition: FormDefinition, answers: Mapping[str, Answer], *, language: str = "") -> list[Line]:
    """Label and answer for each question that was answered. In a group, the label says of which finding or segment."""
    return list(_lines(in_language(definition, language).questions, answers, before=""))


def _lines(questions: Iterable[Question], answers: Mapping[str, Answer], *, before: str) -> Iterator[Line]:
    for question in questions:
        if question.key not in answers:
            continue
        answer = answers[question.key]
        match question:
            case PerFinding():
                yield from _of_findings(question, answer)
            case PerSegment():
                yield from _of_segments(question, answer)
            case Plain():
                yield before + question.label, question.say(answer)


def _of_findings(group: PerFinding, answer: Answer) -> Iterator[Line]:
    for number, one in enumerate(cast(Sequence[Mapping[str, Mapping[str, Answer]]], answer), start=1):
        yield from _lines(group.questions, one["answers"], before=f"{group.noun} {number}: ")


def _of_segments(group: PerSegment, answer: Answer) -> Iterator[Line]:
    labels = {segment.key: segment.label for segment in group.segments}
    for key, one in cast(Mapping[str, Mapping[str, Answer]], answer).items():
        yield from _lines(group.questions, one, before=f"{labels.get(key, key)}: ")
