"""What the builder's page shows of a draft: its sections and questions, one of them open, and the preview."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict

from feedback import form_builder, forms
from feedback.fields import SectionFields, fields_of, posted_answers
from feedback.form_builder import GROUPS, KINDS, TESTS_BY_KIND, Part, part_at, questions_in
from feedback.form_schema import FormDefinition
from feedback.forms import InvalidAnswers
from feedback.models import FormDraft
from feedback.questions.drawn import POINTS
from feedback.questions.units import UNITS
from feedback.subject import Named, Subject
from feedback.wording import best_language, in_language

SAMPLE = Subject(
    findings=(Named(ref="1", label="Finding 1 of the result"), Named(ref="2", label="Finding 2 of the result")),
    segments=(Named(ref="segment-1", label="Segment 1"), Named(ref="segment-2", label="Segment 2")),
)
"""What stands in the preview for the findings and segments of a result."""
TESTS = {
    "equals": "is",
    "one-of": "is one of",
    "at-least": "is at least",
    "answered": "is answered",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A question in the list: closed, a line; open, with its editor."""

    place: str
    question: Part
    problems: Sequence[str]
    rows: tuple[Row, ...] = ()
    is_open: bool = False
    editor: Editor | None = None

    @property
    def kind(self) -> str:
        return KINDS.get(self.question["type"], self.question["type"])

    @property
    def is_group(self) -> bool:
        return self.question["type"] in GROUPS

    @property
    def condition(self) -> str:
        when = self.question.get("when")
        if not when:
            return ""
        values = when.get("values", [when["value"]] if "value" in when else [])
        return " ".join(
            [when["question"], TESTS.get(when["test"], when["test"]), " or ".join(map(str, values))]
        ).strip()


@dataclass(frozen=True, kw_only=True)
class SectionRows:
    """A section in the list."""

    place: str
    section: Part
    problems: Sequence[str]
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value that a condition may wait for."""

    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Editor:
    """The fields of one question."""

    place: str
    question: Part
    problems: Sequence[str]
    earlier: Sequence[Part] = ()
    tests: Sequence[tuple[str, str]] = ()
    values: Sequence[Value] = ()
    kinds: Sequence[tuple[str, str]] = ()

    @property
    def is_required(self) -> bool:
        return bool(self.question.get("required", True))

    @property
    def minimum(self) -> str:
        return str(self.question.get("minimum", 1 if self.question["type"] == "scale" else ""))

    @property
    def maximum(self) -> str:
        return str(self.question.get("maximum", 5 if self.question["type"] == "scale" else ""))

    @property
    def labels(self) -> str:
        return "\n".join(self.question.get("labels", []))

    @property
    def segments(self) -> str:
        return "\n".join(segment.get("label", "") for segment in self.question.get("segments", []))

    @property
    def template(self) -> str:
        return f"feedback/builder/kinds/{self.question['type']}.html"

    @property
    def shapes(self) -> list[tuple[str, bool]]:
        chosen = self.question.get("shapes", ["length", "bidirectional", "box", "ellipse", "polygon"])
        return [(shape, shape in chosen) for shape in POINTS]

    @property
    def objects(self) -> list[tuple[str, bool]]:
        return [(name, name in self.question.get("objects", ["SEG", "SR"])) for name in ("SEG", "SR")]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The form as readers would see it, with what was tried in it."""

    title: str
    sections: tuple[SectionFields, ...] = ()
    language: str = ""
    languages: tuple[str, ...] = ()
    stored: str = ""
    has_faults: bool = False


@dataclass(frozen=True, kw_only=True)
class BuilderPage:
    """All that the builder shows of a draft."""

    draft: FormDraft
    sections: tuple[SectionRows, ...]
    problems: Sequence[str]
    count: int
    preview: Preview | None
    kinds: Sequence[tuple[str, str]] = field(default_factory=lambda: tuple(KINDS.items()))
    plain_kinds: Sequence[tuple[str, str]] = field(
        default_factory=lambda: tuple((kind, name) for kind, name in KINDS.items() if kind not in GROUPS)
    )
    units: Mapping[str, str] = field(default_factory=lambda: UNITS)
    notice: str = ""
    focus: str = ""

    @property
    def rows(self) -> Iterator[Row]:
        for section in self.sections:
            for row in section.rows:
                yield row
                yield from row.rows


def page_of(draft: FormDraft, *, opened: str = "", notice: str = "", tried: QueryDict | None = None) -> BuilderPage:
    """The page of `draft` with the question at `opened` open, and in the preview what was `tried` there."""
    document = draft.definition
    problems = form_builder.problems(document)
    sections = tuple(
        SectionRows(
            place=f"s{number}",
            section=section,
            problems=problems.get(f"s{number}", ()),
            rows=tuple(_rows(draft, section["questions"], f"s{number}", problems, opened)),
        )
        for number, section in enumerate(document["sections"])
    )
    return BuilderPage(
        draft=draft,
        sections=sections,
        problems=problems.get("", ()),
        count=sum(len(found) for found in problems.values()),
        preview=None if problems else preview_of(draft, tried),
        notice=notice,
        focus=opened,
    )


def editor_of(draft: FormDraft, place: str) -> Editor:
    """The editor of the question at `place`. Raises NoSuchPlace."""
    document, question = draft.definition, part_at(draft.definition, place)
    earlier = _earlier(draft, place)
    when = question.get("when", {})
    tested = next((one for one in earlier if one["key"] == when.get("question")), None)
    tests = TESTS_BY_KIND.get(tested["type"], ("answered",)) if tested else ()
    return Editor(
        place=place,
        question=question,
        problems=form_builder.problems(document).get(place, ()),
        earlier=earlier,
        tests=tuple((test, TESTS[test]) for test in tests),
        values=tuple(_values(tested, when)) if tested else (),
        kinds=tuple((kind, name) for kind, name in KINDS.items() if place.count(".") == 1 or kind not in GROUPS),
    )


def preview_of(draft: FormDraft, tried: QueryDict | None = None, errors: Mapping[str, str] | None = None) -> Preview:
    """The form as a reader would see it, filled with what was `tried`. The draft must be without faults."""
    definition = FormDefinition.model_validate(draft.definition)
    wanted = tried.get("preview-language", "") if tried is not None else ""
    language = best_language(definition, wanted) if wanted else definition.language
    answers = posted_answers(definition, tried) if tried is not None else {}
    return Preview(
        title=in_language(definition, language).title,
        sections=fields_of(definition, answers, errors, language, subject=SAMPLE),
        language=language,
        languages=definition.languages if definition.translations else (),
        has_faults=bool(errors),
    )


def try_answers(draft: FormDraft, tried: QueryDict) -> Preview:
    """The same with what is wrong with the answers, or what would be stored of them."""
    definition = FormDefinition.model_validate(draft.definition)
    try:
        kept = forms.checked(definition, posted_answers(definition, tried), subject=SAMPLE)
    except InvalidAnswers as fault:
        return preview_of(draft, tried, fault.messages)
    return replace(preview_of(draft, tried), stored=json.dumps(kept, indent=2, ensure_ascii=False))


def _rows(
    draft: FormDraft, questions: Sequence[Part], around: str, problems: Mapping[str, Sequence[str]], opened: str
) -> Iterator[Row]:
    for number, question in enumerate(questions):
        place = f"{around}.q{number}"
        yield Row(
            place=place,
            question=question,
            problems=problems.get(place, ()),
            rows=tuple(_rows(draft, question.get("questions", []), place, problems, opened)),
            is_open=opened == place,
            editor=editor_of(draft, place) if opened == place else None,
        )


def _earlier(draft: FormDraft, place: str) -> list[Part]:
    """The questions that a condition at `place` may look at: those before it that stand beside or around it."""
    found = []
    for at, question in questions_in(draft.definition):
        if at == place:
            break
        is_beside = at.count(".") == 1 or at.rpartition(".")[0] == place.rpartition(".")[0]
        if is_beside and question["type"] not in GROUPS:
            found.append(question)
    return found


def _values(tested: Part, when: Mapping[str, Any]) -> Iterator[Value]:
    chosen = {str(value) for value in when.get("values", [when.get("value", "")])}
    if tested["type"] == "scale":
        choices = [(str(value), str(value)) for value in range(tested.get("minimum", 1), tested.get("maximum", 5) + 1)]
    else:
        choices = [(choice["value"], choice["label"]) for choice in tested.get("choices", [])]
    for value, label in choices:
        yield Value(value=value, label=label, is_chosen=value in chosen)
