"""A form as a document: its sections of questions, its translations, and what must hold between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from feedback.questions import (
    Asked,
    BadAnswer,
    Choices,
    Condition,
    Confidence,
    Date,
    Group,
    MultipleChoice,
    Number,
    PerSegment,
    Plain,
    Question,
    Scale,
    SingleChoice,
    Text,
)
from feedback.questions.shape import Key, Line, Shape, Words

TITLE_KEY = "form"
"""Under this key translations give the form's own title."""
TESTED_WITH: Mapping[type[Plain], tuple[str, ...]] = {
    Scale: ("equals", "one-of", "at-least", "answered"),
    SingleChoice: ("equals", "one-of", "answered"),
    MultipleChoice: ("one-of", "answered"),
    Confidence: ("equals", "at-least", "answered"),
    Number: ("equals", "at-least", "answered"),
    Date: ("answered",),
    Text: ("answered",),
}
"""The tests that a condition may put an answer to, by kind of question; of all other kinds, `answered` alone."""

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a form, and the key at which it shows."""

    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.key}: {self.sentence}"


class Section(Shape):
    """Questions under one heading; the first may do without."""

    key: Key | None = None
    title: Line = ""
    questions: Annotated[tuple[Question, ...], Field(max_length=100)] = ()


class Wording(Shape):
    """What one key says in another language. What is left out stays in the form's own."""

    label: Line = ""
    help: Line = ""
    choices: Mapping[str, Line] = Field(default_factory=dict)


class FormDefinition(Shape):
    """A whole form. Keys of questions are unique in it, those of groups included, so an answer's key says all."""

    LEADING: ClassVar[tuple[str, ...]] = ("name", "title")

    name: Slug
    title: Annotated[Words, StringConstraints(max_length=200)]
    language: Language = "en"
    sections: Annotated[tuple[Section, ...], Field(max_length=30)]
    translations: Mapping[Language, Mapping[Key, Wording]] = Field(default_factory=dict)

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions in their order; those of a group stand in the group."""
        return tuple(question for section in self.sections for question in section.questions)

    @property
    def languages(self) -> tuple[str, ...]:
        """The form's own language first."""
        return (self.language, *sorted(self.translations))

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        faults = [
            *_repeated(self._keys(), what="key"),
            *_repeated(_letters(self.questions), what="shortcut"),
            *_condition_faults(self.questions, before={}),
            *self._translation_faults(),
        ]
        if not self.sections:
            faults.append(Fault(TITLE_KEY, "A form needs at least one section."))
        if faults:
            words = " ".join(str(fault) for fault in faults)
            raise PydanticCustomError("form", "{words}", {"words": words, "faults": faults})
        return self

    def _keys(self) -> list[str]:
        sections = [section.key for section in self.sections if section.key]
        return [TITLE_KEY, *sections, *(question.key for question in each(self.questions))]

    def _translation_faults(self) -> Iterator[Fault]:
        questions = {question.key: question for question in each(self.questions)}
        known = set(self._keys())
        for language, wordings in self.translations.items():
            if language == self.language:
                yield Fault(TITLE_KEY, f"The form itself is in {language}: remove its translation into that.")
            for key, wording in wordings.items():
                if key not in known:
                    yield Fault(key, f"The translation {language} names it, and the form has no such key. Remove it.")
                elif unknown := sorted(wording.choices.keys() - choices_of(questions.get(key)).keys()):
                    yield Fault(key, f"The translation {language} names {', '.join(unknown)}, which it lacks.")


def each(questions: Iterable[Question]) -> Iterator[Question]:
    """The questions, each followed by those inside it."""
    for question in questions:
        yield question
        if isinstance(question, Group):
            yield from question.questions


def choices_of(question: Asked | None) -> dict[str, str]:
    """What of a question is translated besides label and help: choices, labels of a scale, ends, segments, the noun."""
    match question:
        case Choices():
            return {choice.value: choice.label for choice in question.choices}
        case Scale():
            return {str(value): question.label_of(value) for value in question.values if question.labels}
        case Confidence():
            return {end: text for end, text in (("low", question.low), ("high", question.high)) if text}
        case PerSegment():
            return {segment.key: segment.label for segment in question.segments}
        case _:
            noun = getattr(question, "noun", "")
            return {"noun": noun} if noun else {}


def tests_of(question: Asked) -> tuple[str, ...]:
    """The tests that a condition may put the answer of `question` to."""
    if isinstance(question, Group):
        return ()
    return next((tests for kind, tests in TESTED_WITH.items() if isinstance(question, kind)), ("answered",))


def _repeated(values: list[str], *, what: str) -> Iterator[Fault]:
    for value in sorted(value for value, count in Counter(values).items() if count > 1):
        yield Fault(value, f"The {what} {value} is used twice. Give each its own.")


def _letters(questions: Iterable[Question]) -> list[str]:
    choices = [choice for question in each(questions) if isinstance(question, Choices) for choice in question.choices]
    return [choice.shortcut for choice in choices if choice.shortcut]


def _condition_faults(questions: Iterable[Question], *, before: Mapping[str, Question]) -> Iterator[Fault]:
    """What is wrong with the conditions: each may only look back, at what can be tested so."""
    seen = dict(before)
    for question in questions:
        if question.when is not None:
            yield from (Fault(question.key, sentence) for sentence in condition_faults(question.when, seen))
        if isinstance(question, Group):
            yield from _condition_faults(question.questions, before=seen)
        else:
            seen[question.key] = question


def condition_faults(condition: Condition, before: Mapping[str, Question]) -> Iterator[str]:
    """What is wrong with `condition`, given the questions that stand before it."""
    tested = before.get(condition.question)
    if not isinstance(tested, Plain):
        yield f"The condition looks at {condition.question}, which no earlier question is. Choose an earlier one."
        return
    if condition.test not in tests_of(tested):
        can = ", ".join(tests_of(tested))
        yield f"The condition tests {condition.question} with {condition.test}, which takes only {can}."
        return
    for value in condition.values:
        try:
            tested.check([value] if isinstance(tested, MultipleChoice) else value)
        except BadAnswer as fault:
            yield f"The condition waits for {value} in {condition.question}, which it never is. {fault}"
