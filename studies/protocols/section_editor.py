"""A section of the protocol's page as it is drawn: each field with its value, its choices and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.protocols import installed_pipelines
from studies.protocols.protocol_document import digest_of
from studies.protocols.protocol_sayings import Labels, kind_field
from studies.protocols.protocol_sections import names_of
from studies.protocols.protocol_words import Choice, Field, Kinds, Listed, Part, Section
from studies.protocols.section_faults import Faults

Document = Mapping[str, Any]
_LINE = 75  # characters, about as many as stand in one line of a text field


@dataclass(frozen=True, kw_only=True)
class Option:
    """One of the values that can be chosen."""

    value: str
    label: str
    sentence: str = ""
    is_chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One field with its value. `redraws`: what is asked besides depends on it."""

    field: Field
    name: str
    value: Any = ""
    options: tuple[Option, ...] = ()
    errors: Sequence[str] = ()
    redraws: bool = False

    @property
    def id(self) -> str:
        """The element's id on the page."""
        return "f-" + self.name.replace(".", "-")

    @property
    def lines(self) -> int:
        """How many lines the field has room for."""
        return min(12, max(2, sum(len(line) // _LINE + 1 for line in self.text.split("\n"))))

    @property
    def text(self) -> str:
        """The value as it stands in a text field."""
        if isinstance(self.value, list | tuple):
            return "\n".join(str(one) for one in self.value)
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Fields under one heading. `asked` are those that depend on a kind; `part` is the name of an optional part."""

    label: str = ""
    bounds: tuple[Bound, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    part: str = ""
    is_missing: bool = False
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing of a list."""

    number: int
    name: str
    is_first: bool
    is_last: bool
    group: Group


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A list of things that can be added to, reordered and shortened."""

    listed: Listed
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Editor:
    """One section, ready to be drawn. `seen` names what it said when it was drawn."""

    section: Section
    groups: tuple[Group | Rows, ...]
    faults: Faults
    seen: str

    @property
    def bounds(self) -> Iterator[Bound]:
        """Every field on the page."""
        for group in self.groups:
            if isinstance(group, Rows):
                for row in group.rows:
                    yield from row.group.bounds
            else:
                yield from group.bounds


def seen_of(section: Section, document: Document) -> str:
    """A name for what the section says, by which a change that somebody else made meanwhile is noticed."""
    return digest_of({name: document.get(name) for name in names_of(section)})[:16]


def editor_of(section: Section, shown: Document, *, saved: Document, faults: Faults | None = None) -> Editor:
    """The section as it says in `shown`, of which `saved` is what is kept."""
    draw = _Drawing(shown, faults or Faults())
    groups = tuple(draw.asked(asked) for asked in section.asks)
    return Editor(section=section, groups=groups, faults=faults or Faults(), seen=seen_of(section, saved))


@dataclass(frozen=True)
class _Drawing:
    document: Document
    faults: Faults

    def asked(self, asked: Field | Part | Listed | Kinds) -> Group | Rows:
        match asked:
            case Field():
                return Group(bounds=(self.bound(asked, asked.name, self.document[asked.name]),))
            case Part():
                return self.part(asked)
            case Kinds():
                bounds, names = self.kinds(asked, asked.name, self.document[asked.name])
                return Group(bounds=bounds, asked=names)
            case Listed():
                return self.rows(asked)

    def part(self, part: Part) -> Group:
        value = self.document[part.name]
        label = part.label if part.optional else ""
        if value is None:
            return Group(label=label, part=part.name, is_missing=True, missing=part.optional)
        bounds = tuple(self.bound(field, f"{part.name}.{field.name}", value[field.name]) for field in part.fields)
        return Group(label=label, bounds=bounds, part=part.name if part.optional else "")

    def rows(self, listed: Listed) -> Rows:
        values = self.document[listed.name]
        return Rows(listed=listed, rows=tuple(self.row(listed, at, one, len(values)) for at, one in enumerate(values)))

    def row(self, listed: Listed, number: int, value: Document, count: int) -> Row:
        name = f"{listed.name}.{number}"
        bounds: list[Bound] = []
        names: tuple[tuple[str, str], ...] = ()
        for field in listed.fields:
            if isinstance(field, Kinds):
                more, names = self.kinds(field, f"{name}.{field.name}", value[field.name])
                bounds += more
            else:
                bounds.append(self.bound(field, f"{name}.{field.name}", value[field.name]))
        called = str(value[listed.called]) or f"New {listed.one}"
        group = Group(bounds=tuple(bounds), asked=names)
        return Row(number=number, name=called, is_first=number == 0, is_last=number == count - 1, group=group)

    def kinds(self, kinds: Kinds, name: str, value: Document) -> tuple[tuple[Bound, ...], tuple[tuple[str, str], ...]]:
        kind = kinds.of(str(value["kind"]))
        first = self.bound(kind_field(kinds), f"{name}.kind", kind.value, redraws=True)
        rest = tuple(self.bound(field, f"{name}.{field.name}", value.get(field.name, "")) for field in kind.fields)
        return (first, *rest), tuple((f"{name}.asked", field.name) for field in kind.fields)

    def bound(self, field: Field, name: str, value: Any, *, redraws: bool = False) -> Bound:
        return Bound(
            field=field,
            name=name,
            value=value,
            options=tuple(self.options(field, value)),
            errors=self.faults.at.get(name, ()),
            redraws=redraws,
        )

    def options(self, field: Field, value: Any) -> Iterator[Option]:
        if field.kind not in ("choice", "several"):
            return
        chosen = {str(one) for one in value} if field.kind == "several" else {str(value)}
        choices = [*field.choices, *self.among(field)]
        if field.kind == "choice" and not field.choices:
            choices.insert(0, Choice(value="", label=field.empty or "Choose"))
        choices += [Choice(value=one, label=f"{one} (not there)") for one in chosen - {one.value for one in choices}]
        for one in choices:
            yield Option(value=one.value, label=one.label, sentence=one.sentence, is_chosen=one.value in chosen)

    def among(self, field: Field) -> list[Choice]:
        """The keys of the document, or of this installation, that the field may name."""
        labels = Labels.of(self.document)
        match field.among:
            case "arms":
                found = dict(labels.arms)
            case "roles":
                found = dict(labels.roles)
            case "forms":
                found = dict(labels.forms)
            case "questions":
                found = dict(labels.questions)
            case "pipelines":
                found = {one.name: f"{one.title} ({one.name})" for one in installed_pipelines.installed().values()}
            case _:
                found = {}
        return [Choice(value=key, label=label) for key, label in found.items() if key]
