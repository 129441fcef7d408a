"""Rules written in YAML files: the worked examples, and what a site keeps under version control."""

from __future__ import annotations

from pathlib import Path

import yaml

from dicom_ingest.rule_models import Rule

EXAMPLES = Path(__file__).parent / "examples"
_TEXTS, _LISTS = ("name", "description", "expression"), ("pipelines", "called_ae_titles")


class RuleFileInvalid(Exception):
    """The file holds no rule; the message says what is wrong with it."""


def read(file: Path) -> Rule:
    """The rule in `file`, unchecked, inactive and not saved. Raises RuleFileInvalid, OSError."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise RuleFileInvalid(f"{file.name} is not YAML: {fault}") from fault
    if not isinstance(content, dict):
        raise RuleFileInvalid(f"{file.name}: expected the fields {', '.join((*_TEXTS, *_LISTS))}.")
    if unknown := sorted(str(key) for key in content if key not in {*_TEXTS, *_LISTS}):
        raise RuleFileInvalid(f'{file.name}: there is no field "{unknown[0]}".')
    return Rule(
        **{key: _text(file, content, key) for key in _TEXTS}, **{key: _list(file, content, key) for key in _LISTS}
    )


def examples() -> dict[str, Rule]:
    """The rules that come with Overread, by the name of their file."""
    return {file.stem: read(file) for file in sorted(EXAMPLES.glob("*.yaml"))}


def _text(file: Path, content: dict[str, object], key: str) -> str:
    value = content.get(key, "" if key == "description" else None)
    if not isinstance(value, str):
        raise RuleFileInvalid(f"{file.name}: {key} must be a text.")
    return value.strip()


def _list(file: Path, content: dict[str, object], key: str) -> list[str]:
    value = content.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RuleFileInvalid(f"{file.name}: {key} must be a list of texts.")
    return value
