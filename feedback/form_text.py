"""Forms as YAML: read with the line of every fault, written in one canonical way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from feedback.form_schema import FormDefinition
from inference import definition_file
from inference.errors import DefinitionInvalid, Problem

LONGEST = 200_000
DEEPEST = 20
LINE = 120
NAME = Path("form.yaml")


def load(text: str, *, file: Path = NAME) -> FormDefinition:
    """The form that `text` describes. Raises DefinitionInvalid with line, field and what was expected."""
    if len(text) > LONGEST:
        raise _refusal(file, 1, f"{len(text)} characters are too many for a form: {LONGEST} fit")
    definition_file.refuse_references(text, file, what="form", deepest=DEEPEST)
    return definition_file.parse(text, file).parse(FormDefinition)


def dump(definition: FormDefinition) -> str:
    """`definition` in canonical YAML: `load` gives it back, and canonical text is written as it was read."""
    return yaml.safe_dump(plain(definition), sort_keys=False, allow_unicode=True, width=LINE)


def plain(definition: FormDefinition) -> dict[str, Any]:
    """`definition` as JSON values, without what stands at its default; translations in the order of their keys."""
    written: dict[str, Any] = definition.model_dump(mode="json", exclude_defaults=True)
    if "translations" in written:
        written["translations"] = _sorted(written["translations"])
    return written


def _sorted(value: object) -> object:
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def _refusal(file: Path, line: int, sentence: str) -> DefinitionInvalid:
    return DefinitionInvalid([Problem(file, line, "form", sentence)])
