"""A protocol's values in words: labels instead of keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studies.protocols import protocol_forms
from studies.protocols.protocol_words import Choice, Field, Kinds, Listed, Part

Document = Mapping[str, Any]
NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One field and its value in words. `is_code`: it is a condition; `is_empty`: nothing is said."""

    label: str
    words: str
    is_code: bool = False
    is_empty: bool = False


@dataclass(frozen=True)
class Labels:
    """What the keys of one document stand for."""

    arms: Mapping[str, str]
    roles: Mapping[str, str]
    forms: Mapping[str, str]
    questions: Mapping[str, str]

    @classmethod
    def of(cls, document: Document) -> Labels:
        """The labels that the document gives its arms, reader roles, forms and questions."""
        return cls(
            arms={one["key"]: one["label"] for one in document["arms"]},
            roles={one["key"]: one["label"] for one in document["reader_roles"]},
            forms={str(one["name"]): str(one.get("title") or one["name"]) for one in document["forms"]},
            questions={
                key: label for form in document["forms"] for key, label in protocol_forms.questions(form).items()
            },
        )

    def label(self, field: Field, key: str) -> str:
        """What is said of `key` where the field's keys come from."""
        among = {"arms": self.arms, "roles": self.roles, "forms": self.forms, "questions": self.questions}
        return among.get(field.among, {}).get(key, key)


def say(field: Field, value: Any, labels: Labels) -> str:
    """The value of `field` in words; empty where it says nothing."""
    if field.kind == "flag":
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_chosen(field, str(one), labels) for one in value) or field.empty
    if value is None or value == "":
        return field.empty
    if value == 0 and field.zero:
        return field.zero
    if field.choices:
        return {one.value: one.label for one in field.choices}.get(str(value), str(value))
    words = labels.label(field, str(value)) if field.among else str(value)
    return f"{words} {field.unit}".strip()


def _chosen(field: Field, key: str, labels: Labels) -> str:
    return {one.value: one.label for one in field.choices}.get(key) or labels.label(field, key)


def fields_in(part: Part | Listed, value: Document) -> Iterator[tuple[tuple[str, ...], Field]]:
    """The fields of one mapping with their way into it; of what has kinds, those of the kind that it is."""
    for asked in part.fields:
        if isinstance(asked, Kinds):
            yield (asked.name, "kind"), kind_field(asked)
            for field in asked.of(value[asked.name]["kind"]).fields:
                yield (asked.name, field.name), field
        else:
            yield (asked.name,), asked


def kind_field(kinds: Kinds) -> Field:
    """The kind itself as a field."""
    choices = tuple(Choice(value=one.value, label=one.label, sentence=one.sentence) for one in kinds.kinds)
    return Field(name="kind", label=kinds.label, kind="choice", choices=choices)


def inside(value: Any, way: tuple[str, ...]) -> Any:
    """What stands at `way` in nested mappings; None where there is nothing."""
    for name in way:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def said(part: Part | Listed, value: Document, labels: Labels) -> list[Said]:
    """Each field of one mapping in words, keys left out."""
    return [said_of(field, inside(value, way), labels) for way, field in fields_in(part, value) if field.kind != "key"]


def said_of(field: Field, value: Any, labels: Labels) -> Said:
    """One field in words."""
    words = say(field, value, labels)
    return Said(label=field.label, words=words, is_code=field.kind == "code", is_empty=not words)


def said_of_kinds(kinds: Kinds, value: Document, labels: Labels) -> list[Said]:
    """A part with kinds in words: its kind, then what that kind asks."""
    kind = kinds.of(str(value["kind"]))
    fields = [said_of(field, value.get(field.name), labels) for field in kind.fields]
    return [Said(label=kinds.label, words=kind.label), *fields]


def summary(lines: list[Said]) -> str:
    """Fields in one line, what is empty left out."""
    return "; ".join(f"{one.label}: {one.words}" for one in lines if not one.is_empty) or NOTHING
