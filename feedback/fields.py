"""The questions of a form as fields of a page: what to draw, what was answered, and what a browser sent of it.

`feedback/_fields.html` draws what `fields_of` gives, and `viewer_static/js/form.js` shows and hides, adds and removes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from django.http import QueryDict

from feedback.answering import EMPTY, is_asked, segments_of
from feedback.form_schema import FormDefinition
from feedback.forms import definition_of
from feedback.models import Form
from feedback.questions import (
    Annotation,
    Asked,
    BadAnswer,
    Choices,
    Group,
    MultipleChoice,
    PerFinding,
    PerSegment,
    Plain,
    Question,
    Region,
    Scale,
)
from feedback.subject import NOTHING, Named, Subject
from feedback.wording import in_language

PREFIX = "answer-"
NEW = "__new__"
"""Stands in names for the number of an item that the page's script adds."""
MOST_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing to choose; `digit` and `letter` are the keys that choose it."""

    value: str
    label: str
    is_chosen: bool
    digit: str = ""
    letter: str = ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A question as it stands on the page, with what was answered and what is wrong with that."""

    question: Asked
    path: str
    options: tuple[Option, ...] = ()
    text: str = ""
    said: str = ""
    error: str = ""
    when: str = ""
    is_asked: bool = True
    items: tuple[Item, ...] = ()
    blank: Item | None = None

    @property
    def name(self) -> str:
        return PREFIX + self.path

    @property
    def template(self) -> str:
        kind: str = self.question.type  # type: ignore[attr-defined]
        return f"feedback/fields/{kind}.html"

    @property
    def ends(self) -> str:
        """What the ends of a scale mean; of a group, those of the one scale that it asks."""
        scale = self.question.questions[0] if isinstance(self.question, Group) else self.question
        if not isinstance(scale, Scale) or not scale.labels:
            return ""
        return f"{scale.minimum} {scale.labels[0]}, {scale.maximum} {scale.labels[-1]}"

    @property
    def drawings(self) -> str:
        return " ".join(self.question.drawings) if isinstance(self.question, Annotation | Region) else ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One finding or segment of a group, with its own fields."""

    ref: str
    path: str
    label: str
    finding: str
    fields: tuple[Field, ...]
    error: str = ""

    @property
    def name(self) -> str:
        return PREFIX + self.path


@dataclass(frozen=True, kw_only=True)
class SectionFields:
    """The fields under one heading."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """What is known while fields are made: what is wrong, by path, and what is asked about."""

    errors: Mapping[str, str]
    subject: Subject

    def field(
        self,
        question: Question,
        answers: Mapping[str, object],
        *,
        path: str,
        around: Mapping[str, object],
        inside: set[str],
    ) -> Field:
        here, answer = path + question.key, answers.get(question.key)
        scope = {**around, **answers}
        items: tuple[Item, ...] = ()
        blank = None
        if isinstance(question, PerFinding):
            items = tuple(self._findings(question, answer, path=here, around=scope))
            blank = self._item(question, Named(ref=NEW, label=question.noun), {}, path=here, around=scope)
        elif isinstance(question, PerSegment):
            items = tuple(self._segments(question, answer, path=here, around=scope))
        return Field(
            question=question,
            path=here,
            options=_options(question, answer),
            text=_text(question, answer),
            said=_said(question, answer),
            error=self.errors.get(here, ""),
            when=_when(question, path=path, inside=inside),
            is_asked=is_asked(question, scope),
            items=items,
            blank=blank if isinstance(question, PerFinding) and question.source == "reader" else None,
        )

    def _findings(
        self, group: PerFinding, answer: object, *, path: str, around: Mapping[str, object]
    ) -> Iterator[Item]:
        given = [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
        if group.source == "result":
            by_finding = {one.get("finding"): one for one in given}
            for number, finding in enumerate(self.subject.findings):
                named = Named(ref=str(number), label=finding.label)
                one = by_finding.get(finding.ref, {})
                yield self._item(group, named, one.get("answers"), path=path, around=around, finding=finding.ref)
            return
        if not given and group.required:
            given = [{}]
        for number, one in enumerate(given):
            named = Named(ref=str(number), label=f"{group.noun} {number + 1}")
            yield self._item(group, named, one.get("answers"), path=path, around=around)

    def _segments(
        self, group: PerSegment, answer: object, *, path: str, around: Mapping[str, object]
    ) -> Iterator[Item]:
        given = answer if isinstance(answer, dict) else {}
        for segment in segments_of(group, self.subject) or ():
            yield self._item(group, segment, given.get(segment.ref), path=path, around=around)

    def _item(
        self,
        group: Group,
        named: Named,
        answers: object,
        *,
        path: str,
        around: Mapping[str, object],
        finding: str = "",
    ) -> Item:
        here = f"{path}.{named.ref}"
        given = answers if isinstance(answers, dict) else {}
        inside = {question.key for question in group.questions}
        fields = tuple(
            self.field(question, given, path=f"{here}.", around=around, inside=inside) for question in group.questions
        )
        error = self.errors.get(here, "")
        return Item(ref=named.ref, path=here, label=named.label, finding=finding, fields=fields, error=error)


def fields_of(
    form: Form | FormDefinition,
    answers: Mapping[str, object],
    errors: Mapping[str, str] | None = None,
    language: str = "",
    *,
    subject: Subject = NOTHING,
) -> tuple[SectionFields, ...]:
    """The fields of `form` in `language`, filled with `answers`; `errors` by path, as InvalidAnswers gives them."""
    worded = in_language(_definition(form), language)
    drawing = _Drawing(errors=errors or {}, subject=subject)
    keys = {question.key for question in worded.questions}
    sections = []
    for section in worded.sections:
        fields = tuple(
            drawing.field(question, answers, path="", around={}, inside=keys) for question in section.questions
        )
        sections.append(SectionFields(title=section.title, fields=fields))
    return tuple(sections)


def posted_answers(form: Form | FormDefinition, posted: QueryDict) -> dict[str, object]:
    """What a browser sent, question by question, unchecked. What was not asked is left out, and so is a blank item."""
    return _posted(_definition(form).questions, posted, path="", around={})


def _definition(form: Form | FormDefinition) -> FormDefinition:
    return definition_of(form) if isinstance(form, Form) else form


def _posted(
    questions: Iterable[Question], posted: QueryDict, *, path: str, around: Mapping[str, object]
) -> dict[str, object]:
    answers: dict[str, object] = {}
    for question in questions:
        scope = {**around, **answers}
        if not is_asked(question, scope):
            continue
        name = PREFIX + path + question.key
        match question:
            case PerFinding():
                answers[question.key] = _posted_findings(question, posted, path=path + question.key, around=scope)
            case PerSegment():
                each = (
                    (key, _posted(question.questions, posted, path=f"{path}{question.key}.{key}.", around=scope))
                    for key in posted.getlist(name)
                )
                answers[question.key] = {key: one for key, one in each if not _is_blank(one)}
            case Plain():
                answers[question.key] = question.read(posted.getlist(name))
    return answers


def _posted_findings(
    group: PerFinding, posted: QueryDict, *, path: str, around: Mapping[str, object]
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number in posted.getlist(PREFIX + path)[: group.most + 1]:
        answers = _posted(group.questions, posted, path=f"{path}.{number}.", around=around)
        if group.source == "result":
            finding = posted.get(f"{PREFIX}{path}.{number}", "")
            found.append({"finding": finding, "answers": answers})
        else:
            found.append({"answers": answers})
    keeps_blank = group.source == "result" and group.required
    return [one for one in found if keeps_blank or not _is_blank(cast(Mapping[str, object], one["answers"]))]


def _is_blank(answers: Mapping[str, object]) -> bool:
    return all((one.strip() if isinstance(one, str) else one) in EMPTY for one in answers.values())


def _when(question: Asked, *, path: str, inside: set[str]) -> str:
    """The condition for the page's script: the name of the field it looks at, the test, and the values."""
    if question.when is None:
        return ""
    name = PREFIX + (path if question.when.question in inside else "") + question.when.question
    return json.dumps({"name": name, "test": question.when.test, "values": list(question.when.values)})


def _options(question: Question, answer: object) -> tuple[Option, ...]:
    match question:
        case Scale():
            return tuple(_steps(question, answer))
        case Choices():
            return tuple(_choices(question, answer))
    return ()


def _steps(question: Scale, answer: object) -> Iterator[Option]:
    for value in question.values:
        digit = str(value) if 0 <= value <= MOST_DIGITS else ""
        is_chosen = answer == value and not isinstance(answer, bool)
        yield Option(value=str(value), label=question.label_of(value), is_chosen=is_chosen, digit=digit)


def _choices(question: Choices, answer: object) -> Iterator[Option]:
    chosen = answer if isinstance(answer, list) else [answer]
    takes_digits = isinstance(question, MultipleChoice) or not any(choice.shortcut for choice in question.choices)
    for place, choice in enumerate(question.choices, start=1):
        yield Option(
            value=choice.value,
            label=choice.label,
            is_chosen=choice.value in chosen,
            letter=choice.shortcut,
            digit=str(place) if takes_digits and place <= MOST_DIGITS else "",
        )


def _text(question: Question, answer: object) -> str:
    if answer in EMPTY or isinstance(question, Group):
        return ""
    return json.dumps(answer) if isinstance(answer, dict | list) else str(answer)


def _said(question: Question, answer: object) -> str:
    """What was drawn, in words; empty where it is not a drawing that fits."""
    if not isinstance(question, Annotation | Region):
        return ""
    try:
        return question.say(question.check(answer))
    except BadAnswer:
        return ""
