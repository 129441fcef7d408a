"""A form in another of its languages: the same keys, other words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from feedback.form_schema import TITLE_KEY, FormDefinition, Section, Wording
from feedback.questions import Asked, Choices, Confidence, Group, PerFinding, PerSegment, Scale

Worded = TypeVar("Worded", bound=Asked)
NOTHING = Wording()


def in_language(definition: FormDefinition, language: str) -> FormDefinition:
    """`definition` with the words of its translation into `language`; what that lacks stays as it is."""
    words = definition.translations.get(language)
    if not words:
        return definition
    title = words.get(TITLE_KEY, NOTHING).label or definition.title
    sections = tuple(_section(section, words) for section in definition.sections)
    return definition.model_copy(update={"title": title, "sections": sections})


def best_language(definition: FormDefinition, *wanted: str) -> str:
    """The first of the languages that somebody wants and the form has: `de` does for `de-CH`, and `de-CH` for `de`."""
    for language in wanted:
        for had in definition.languages:
            if had.lower() == language.lower():
                return had
        for had in definition.languages:
            if had.split("-")[0].lower() == language.split("-")[0].lower():
                return had
    return definition.language


def _section(section: Section, words: Mapping[str, Wording]) -> Section:
    title = words.get(section.key or "", NOTHING).label or section.title
    questions = tuple(_question(question, words) for question in section.questions)
    return section.model_copy(update={"title": title, "questions": questions})


def _question(question: Worded, words: Mapping[str, Wording]) -> Worded:
    wording = words.get(question.key, NOTHING)
    update: dict[str, object] = {"label": wording.label or question.label, "help": wording.help or question.help}
    update |= _choices(question, wording.choices)
    if isinstance(question, Group):
        update["questions"] = tuple(_question(inner, words) for inner in question.questions)
    return question.model_copy(update=update)


def _choices(question: Asked, words: Mapping[str, str]) -> dict[str, object]:
    match question:
        case Choices():
            worded = (one.model_copy(update={"label": words.get(one.value) or one.label}) for one in question.choices)
            return {"choices": tuple(worded)}
        case Scale() if question.labels:
            return {"labels": tuple(words.get(str(value)) or question.label_of(value) for value in question.values)}
        case Confidence():
            return {"low": words.get("low") or question.low, "high": words.get("high") or question.high}
        case PerSegment():
            worded_segments = (
                one.model_copy(update={"label": words.get(one.key) or one.label}) for one in question.segments
            )
            return {"segments": tuple(worded_segments)}
        case PerFinding():
            return {"noun": words.get("noun") or question.noun}
        case _:
            return {}
