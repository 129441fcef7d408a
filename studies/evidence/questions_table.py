"""The questions that readers were asked, and what each answer means: the code book of `responses.csv`."""

from __future__ import annotations

from collections.abc import Iterator

from feedback.form_schema import FormDefinition
from feedback.forms import definition_of
from feedback.models import Form
from feedback.questions import Choices, Confidence, Group, Number, Question, Scale
from studies.evidence.responses_table import forms_asked
from studies.evidence.scope import Scope
from studies.evidence.tables import Row, Table, column

COLUMNS = (
    column("form", "Name of the form", "key"),
    column("form_version", "Its version", "whole"),
    column("form_title", "The form's title"),
    column("group", "Key of the group that the question belongs to; empty for one by itself", "key"),
    column("question", "Key of the question", "key"),
    column("question_label", "The question in words"),
    column("question_type", "Its kind", "key"),
    column("is_required", "Whether it has to be answered when it is asked", "flag"),
    column("asked_when", "The question whose answer decides whether it is asked; empty: always", "key"),
    column("unit", "Unit of a number"),
    column("answer", "One of the answers that it takes; empty where these are no list", "value"),
    column("answer_label", "The same in words"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By form, version and the form's own order."""
    for form in forms_asked(scope).order_by("slug", "version"):
        definition = definition_of(form)
        for group, question in _questions(definition):
            for value, label in _answers(question):
                yield _row(form, group, question) | {"answer": value, "answer_label": label}


def _questions(definition: FormDefinition) -> Iterator[tuple[str, Question]]:
    for question in definition.questions:
        if isinstance(question, Group):
            yield from ((question.key, inner) for inner in question.questions)
        else:
            yield "", question


def _row(form: Form, group: str, question: Question) -> dict[str, str | int | bool]:
    return {
        "form": form.slug,
        "form_version": form.version,
        "form_title": form.title,
        "group": group,
        "question": question.key,
        "question_label": question.label,
        "question_type": question.type,
        "is_required": question.required,
        "asked_when": question.when.question if question.when else "",
        "unit": _unit(question),
    }


def _unit(question: Question) -> str:
    if isinstance(question, Confidence):
        return "%"
    return question.written_unit if isinstance(question, Number) else ""


def _answers(question: Question) -> list[tuple[str | int, str]]:
    match question:
        case Choices():
            return [(choice.value, choice.label) for choice in question.choices]
        case Scale():
            return [(value, question.label_of(value)) for value in question.values]
        case _:
            return [("", "")]


QUESTIONS = Table(
    file="questions.csv",
    title="Questions and what their answers mean",
    one_row="One answer that a question takes, or one question whose answers are no list.",
    columns=COLUMNS,
    rows=rows,
)
