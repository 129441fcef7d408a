"""What a cell of a truth's table says, typed by the question of the form that asks the same of readers.

So that an answer can be compared with the truth: a number with a number, a choice with the value of that choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from feedback import form_schema
from feedback.form_schema import FormDefinition
from feedback.questions import Annotation, BadAnswer, MultipleChoice, Plain, Region, SingleChoice
from studies.cases.case_tables import MatchedRow, Matching
from studies.cases.tables import LineError
from studies.protocols.protocol_schema import Protocol

SEPARATORS = ";|"
"""Between the choices of one cell, where several may be chosen."""
_YES = frozenset({"yes", "y", "true", "t", "1", "positive", "present"})
_NO = frozenset({"no", "n", "false", "f", "0", "negative", "absent"})


def typed(matching: Matching, protocol: Protocol) -> Matching:
    """The same rows with the values of their questions; a row with a value that is none is among the errors instead."""
    questions = questions_of(protocol)
    matched: list[MatchedRow] = []
    errors = list(matching.errors)
    for row in matching.matched:
        values, faults = _typed_row(row.values, questions)
        if faults:
            errors += [LineError(row.line, fault) for fault in faults]
        else:
            matched.append(replace(row, values=values))
    errors.sort(key=lambda error: error.line)
    return replace(matching, matched=tuple(matched), errors=tuple(errors))


def questions_of(protocol: Protocol) -> dict[str, Plain]:
    """By key what the protocol's forms ask: the reference's own form before the readers', and these before others."""
    wanted = [protocol.reference.form, *protocol.design.forms_named]
    in_order = sorted(protocol.forms, key=lambda form: wanted.index(form["name"]) if form["name"] in wanted else 99)
    found: dict[str, Plain] = {}
    for form in in_order:
        for question in form_schema.each(FormDefinition.model_validate(form).questions):
            if isinstance(question, Plain):
                found.setdefault(question.key, question)
    return found


def is_drawn(key: str, protocol: Protocol) -> bool:
    """Whether the answer is something drawn, which comes in a table of its own: see `truth_boxes`."""
    return isinstance(questions_of(protocol).get(key), Annotation | Region)


def typed_value(question: Plain, text: str) -> Any:
    """The answer that `text` stands for: a choice by its value or its label, whatever its case. Raises BadAnswer."""
    match question:
        case MultipleChoice():
            parts = _parts(text)
            return question.check([_chosen(question, part) for part in parts])
        case SingleChoice():
            return question.check(_chosen(question, text))
        case _:
            return question.check(question.read([text]))


def _typed_row(values: Mapping[str, Any], questions: Mapping[str, Plain]) -> tuple[dict[str, Any], list[str]]:
    kept: dict[str, Any] = {}
    faults: list[str] = []
    for key, text in values.items():
        question = questions.get(key)
        try:
            kept[key] = text if question is None else typed_value(question, text)
        except BadAnswer as fault:
            faults.append(f'{key}: "{text[:60]}" is no answer to "{question.label if question else key}". {fault}')
    return kept, faults


def _parts(text: str) -> list[str]:
    for separator in SEPARATORS[1:]:
        text = text.replace(separator, SEPARATORS[0])
    return [part.strip() for part in text.split(SEPARATORS[0]) if part.strip()]


def _chosen(question: SingleChoice | MultipleChoice, text: str) -> str:
    """The value of the choice that `text` names; `text` itself where it names none, to be refused."""
    said = text.strip().casefold()
    for choice in question.choices:
        if said in (choice.value.casefold(), choice.label.casefold()):
            return choice.value
    return _yes_or_no(said, question.values) or text


def _yes_or_no(said: str, values: Iterable[str]) -> str:
    """Of a question with a yes and a no, the one that a table's 1, true or present stands for."""
    meant = _YES if said in _YES else _NO if said in _NO else frozenset()
    alike = [value for value in values if value in meant]
    return alike[0] if len(alike) == 1 else ""
