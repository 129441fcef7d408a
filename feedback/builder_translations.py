"""The words of a form beside those in another language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import QueryDict
from pydantic import ValidationError

from feedback.form_builder import Document
from feedback.form_schema import TITLE_KEY, FormDefinition, choices_of, each

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One text of the form and its translation; `name` is that of the field, `of` what it belongs to."""

    name: str
    of: str
    original: str
    translated: str


@dataclass(frozen=True, kw_only=True)
class Translation:
    """The texts of a form in `language`; `languages` are those that it has been begun in."""

    language: str
    languages: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    problem: str = ""

    @property
    def missing(self) -> int:
        return sum(not line.translated for line in self.lines)


def translation_of(document: Document, language: str) -> Translation:
    """The texts of the form, to be translated into `language`; a form with faults has to be mended first."""
    languages = tuple(sorted(document.get("translations", {})))
    if not LANGUAGE.fullmatch(language) or language == document.get("language", "en"):
        problem = f'"{language}" is no language to translate into. Write its code: de, fr, pt-BR.' if language else ""
        return Translation(language="", languages=languages, problem=problem)
    try:
        definition = FormDefinition.model_validate(document)
    except ValidationError:
        return Translation(language="", languages=languages, problem="Mend what is wrong with the form first.")
    words = document.get("translations", {}).get(language, {})
    lines = [
        Line(name=f"{key}/{kind}", of=of, original=original, translated=_stored(words, key, kind))
        for key, kind, of, original in _texts(definition)
    ]
    return Translation(language=language, languages=languages, lines=tuple(lines))


def translate(document: Document, posted: QueryDict) -> None:
    """Let the translation that was posted be the form's; texts left empty stay in the form's own language."""
    language = posted.get("to", "")
    if not LANGUAGE.fullmatch(language) or language == document.get("language", "en"):
        return
    words: dict[str, dict[str, object]] = {}
    for key, kind, _, _ in _texts(FormDefinition.model_validate(document)):
        text = posted.get(f"{key}/{kind}", "").strip()
        if not text:
            continue
        wording = words.setdefault(key, {})
        if kind in {"label", "help"}:
            wording[kind] = text
        else:
            choices = wording.setdefault("choices", {})
            assert isinstance(choices, dict)
            choices[kind.removeprefix("choices/")] = text
    translations = {name: kept for name, kept in document.get("translations", {}).items() if name != language}
    document["translations"] = translations | ({language: words} if words else {})
    if not document["translations"]:
        del document["translations"]


def _texts(definition: FormDefinition) -> Iterator[tuple[str, str, str, str]]:
    """Key, kind of text, what it belongs to, and the text in the form's own language."""
    yield TITLE_KEY, "label", "Title of the form", definition.title
    for section in definition.sections:
        if section.key and section.title:
            yield section.key, "label", "Section", section.title
        for question in each(section.questions):
            yield question.key, "label", "Question", question.label
            if question.help:
                yield question.key, "help", "Help", question.help
            for value, label in choices_of(question).items():
                yield question.key, f"choices/{value}", "Choice", label


def _stored(words: dict[str, dict[str, object]], key: str, kind: str) -> str:
    wording = words.get(key, {})
    if kind in {"label", "help"}:
        return str(wording.get(kind, ""))
    choices = wording.get("choices", {})
    return str(choices.get(kind.removeprefix("choices/"), "")) if isinstance(choices, dict) else ""
