"""A protocol as a document: kept as JSON, exchanged as one YAML file that is the same wherever it is written.

What is stored is the truth, not what the schema of a later release would make of it: digest and YAML are made of the
stored document, the schema only lends its order of fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inference import definition_file
from inference.errors import DefinitionInvalid, Problem
from studies.protocols.protocol_schema import Protocol

Document = Mapping[str, Any]

FILE = Path("protocol.yaml")
LONGEST = 1_000_000  # characters of a file that is read
DEEPEST = 30  # lists and mappings within each other
_FORM_ORDER = (
    *("name", "key", "type", "value", "title", "label", "language", "help", "required", "when", "shortcut"),
    *("choices", "questions", "sections", "translations"),
)


def document_of(protocol: Protocol) -> dict[str, Any]:
    """The protocol as it is stored: every field, those at their default too."""
    return protocol.model_dump(mode="json")


def digest_of(document: Document) -> str:
    """SHA-256 of the document as JSON with sorted keys, so that the order in which it is stored does not matter."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def to_yaml(document: Document) -> str:
    """The one way in which a document is written: fields in the schema's order, text of several lines as a block."""
    like = document_of(Protocol.model_validate(document))
    ordered = _in_order(document, like) | {"forms": _forms_in_order(document.get("forms", []))}
    text: str = yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def parse(text: str, *, file: Path = FILE) -> Protocol:
    """The protocol that `text` describes. Raises DefinitionInvalid with line, field and what was expected."""
    if len(text) > LONGEST:
        sentence = f"has {len(text)} characters, too many for a protocol: {LONGEST} fit"
        raise DefinitionInvalid([Problem(file, 1, "protocol", sentence)])
    definition_file.refuse_references(text, file, what="protocol", deepest=DEEPEST)
    return definition_file.parse(text, file).parse(Protocol)


def _in_order(stored: Any, like: Any) -> Any:
    if isinstance(stored, Mapping):
        known = like if isinstance(like, Mapping) else {}
        keys = [*(key for key in known if key in stored), *sorted(key for key in stored if key not in known)]
        return {key: _in_order(stored[key], known.get(key)) for key in keys}
    if isinstance(stored, list):
        each = like if isinstance(like, list) and len(like) == len(stored) else [None] * len(stored)
        return [_in_order(one, other) for one, other in zip(stored, each, strict=True)]
    return stored


def _forms_in_order(value: Any) -> Any:
    """Forms belong to another schema: first what says what a part is, then the rest by name."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (_FORM_ORDER.index(key) if key in _FORM_ORDER else len(_FORM_ORDER), key))
        return {key: _forms_in_order(value[key]) for key in keys}
    return [_forms_in_order(one) for one in value] if isinstance(value, list) else value


class _Dumper(yaml.SafeDumper):
    """Writes no references, and text of several lines as a block."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
