"""The shapes in which `protocol_sections` says what a protocol's fields are called and how they are written.

Pages that edit a protocol, pages that show it and the differences between versions take their words from there. The
forms of a protocol are of another schema and have no words here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldKind = Literal["line", "prose", "code", "number", "choice", "several", "lines", "flag", "key"]
"""How a value is written: `several` are keys that are ticked, `lines` are texts, one a line."""
Among = Literal["", "arms", "forms", "roles", "pipelines", "questions"]
"""Where the keys come from that can be chosen."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of a field, its label, and a sentence on what it means."""

    value: str
    label: str
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One value. `unit` stands behind it."""

    name: str
    label: str
    help: str = ""
    kind: FieldKind = "line"
    choices: tuple[Choice, ...] = ()
    among: Among = ""
    empty: str = ""
    """What is said where nothing is chosen, when that has a meaning."""
    zero: str = ""
    """What 0 means, where it means that nothing is said or asked."""
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One shape of a part that has several, and what is asked of it."""

    value: str
    label: str
    sentence: str
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """A part whose fields depend on its kind."""

    name: str
    label: str
    kinds: tuple[Kind, ...]

    def of(self, value: str) -> Kind:
        """The kind of that value. Raises KeyError."""
        found = {kind.value: kind for kind in self.kinds}
        return found[value]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Fields of one mapping of the document. `optional`: the whole part may be missing, and then says this."""

    name: str
    label: str
    fields: tuple[Field, ...]
    optional: str = ""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list of things of one shape. `identity` is the field by which one is known."""

    name: str
    label: str
    one: str
    identity: str
    called: str
    """The field that names one to people."""
    fields: tuple[Field | Kinds, ...]
    none: str


Asked = Field | Part | Listed | Kinds


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the protocol's page."""

    key: str
    title: str
    about: str
    asks: tuple[Asked, ...]


def choice(value: str, label: str, sentence: str = "") -> Choice:
    """A choice, in the order in which one thinks of it."""
    return Choice(value=value, label=label, sentence=sentence)
