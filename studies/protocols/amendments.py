"""What an amendment changes: the differences between two versions of a protocol, field by field, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from studies.protocols import form_changes
from studies.protocols.protocol_document import document_of
from studies.protocols.protocol_sayings import (
    NOTHING,
    Document,
    Labels,
    fields_in,
    inside,
    said,
    said_of_kinds,
    say,
    summary,
)
from studies.protocols.protocol_schema import Protocol
from studies.protocols.protocol_sections import SECTIONS
from studies.protocols.protocol_words import Field, Kinds, Listed, Part, Section

PIPELINES = Listed(
    name="pipelines",
    label="Pipelines",
    one="pipeline",
    identity="name",
    called="name",
    fields=(Field(name="name", label="name"), Field(name="digest", label="digest", empty="whichever is installed")),
    none="No pipeline is under study.",
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that two versions say differently. `section` is the part of the protocol's page."""

    section: str
    what: str
    kind: Literal["changed", "added", "removed", "moved"] = "changed"
    before: str = ""
    after: str = ""

    @property
    def sentence(self) -> str:
        """The change in a sentence."""
        match self.kind:
            case "added":
                return f"{self.what} added: {self.after}"
            case "removed":
                return f"{self.what} removed: {self.before}"
            case "moved":
                return f"{self.what} put in another order: {self.after}"
            case _:
                return f"{self.what} changed from {self.before or NOTHING} to {self.after or NOTHING}"


@dataclass(frozen=True)
class _Pair:
    """Two versions of one part, with the labels of either."""

    section: str
    old: Any
    new: Any
    labels: tuple[Labels, Labels]

    def at(self, *way: str) -> _Pair:
        return _Pair(self.section, inside(self.old, way), inside(self.new, way), self.labels)

    def change(self, what: str, field: Field) -> Change:
        before, after = say(field, self.old, self.labels[0]), say(field, self.new, self.labels[1])
        if before == after:  # a label that two keys share
            before, after = str(self.old), str(self.new)
        return Change(section=self.section, what=what, before=before, after=after)


def changes(old: Protocol, new: Protocol) -> list[Change]:
    """What `new` says that `old` did not, in the order of the page. Empty when both say the same."""
    before, after = document_of(old), document_of(new)
    labels = (Labels.of(before), Labels.of(after))
    found: list[Change] = []
    for section in SECTIONS:
        pair = _Pair(section.key, before, after, labels)
        found += _of_section(section, pair)
        if section.key == "arms":
            found += _of_list(PIPELINES, pair)
        if section.key == "forms":
            told = form_changes.differences(before["forms"], after["forms"])
            found += [Change(section="forms", **vars(one)) for one in told]
    return found


def _of_section(section: Section, pair: _Pair) -> Iterator[Change]:
    for asked in section.asks:
        match asked:
            case Field():
                yield from _of_field(asked.label, asked, pair.at(asked.name))
            case Part():
                yield from _of_part(asked, pair.at(asked.name))
            case Kinds():
                yield from _of_kinds(asked.label, asked, pair.at(asked.name))
            case Listed():
                yield from _of_list(asked, pair)


def _of_field(what: str, field: Field, pair: _Pair) -> Iterator[Change]:
    if pair.old != pair.new:
        yield pair.change(what, field)


def _of_part(part: Part, pair: _Pair) -> Iterator[Change]:
    if pair.old is None or pair.new is None:
        yield from _come_or_gone(part.label, part, pair)
        return
    for way, field in fields_in(part, pair.new):
        yield from _of_field(f"{part.label}: {field.label.lower()}", field, pair.at(*way))


def _of_kinds(what: str, kinds: Kinds, pair: _Pair) -> Iterator[Change]:
    if pair.old["kind"] != pair.new["kind"]:
        before, after = (
            summary(said_of_kinds(kinds, value, labels)[1:])
            for value, labels in zip((pair.old, pair.new), pair.labels, strict=True)
        )
        names = [kinds.of(value["kind"]).label for value in (pair.old, pair.new)]
        yield Change(section=pair.section, what=what, before=f"{names[0]} ({before})", after=f"{names[1]} ({after})")
        return
    for field in kinds.of(pair.new["kind"]).fields:
        yield from _of_field(f"{what}: {field.label.lower()}", field, pair.at(field.name))


def _of_list(listed: Listed, pair: _Pair) -> Iterator[Change]:
    old, new = pair.old[listed.name], pair.new[listed.name]
    known = _matched(old, new, listed)
    kept = {one[listed.identity] for one, _ in known}
    for one in old:
        if one[listed.identity] not in kept:
            yield from _come_or_gone(_called(listed, one), listed, _Pair(pair.section, one, None, pair.labels))
    for one in new:
        if one[listed.identity] not in kept:
            yield from _come_or_gone(_called(listed, one), listed, _Pair(pair.section, None, one, pair.labels))
    for before, after in known:
        yield from _of_one(listed, _Pair(pair.section, before, after, pair.labels))
    yield from _of_order(listed, pair, known)


def _of_one(listed: Listed, pair: _Pair) -> Iterator[Change]:
    called = _called(listed, pair.old)
    for asked in listed.fields:
        if isinstance(asked, Kinds):
            yield from _of_kinds(f"{called}: {asked.label.lower()}", asked, pair.at(asked.name))
        else:
            yield from _of_field(f"{called}: {asked.label.lower()}", asked, pair.at(asked.name))


def _of_order(listed: Listed, pair: _Pair, known: Sequence[tuple[Document, Document]]) -> Iterator[Change]:
    """Told of those that are in both, so that what was added or removed in front is no move."""
    kept = [one[listed.identity] for one, _ in known]
    after = [one for one in pair.new[listed.name] if one[listed.identity] in kept]
    if [one[listed.identity] for one in after] != kept:
        words = ", ".join(str(one[listed.called]) for one in after)
        yield Change(section=pair.section, what=listed.label, kind="moved", after=words)


def _matched(old: list[Document], new: list[Document], listed: Listed) -> list[tuple[Document, Document]]:
    """What is the same thing in both, in the order of the old."""
    after = {one[listed.identity]: one for one in new}
    return [(one, after[one[listed.identity]]) for one in old if one[listed.identity] in after]


def _come_or_gone(what: str, part: Part | Listed, pair: _Pair) -> Iterator[Change]:
    if pair.old == pair.new:
        return
    if pair.old is None:
        after = summary(said(part, pair.new, pair.labels[1]))
        yield Change(section=pair.section, what=what, kind="added", after=after)
    else:
        before = summary(said(part, pair.old, pair.labels[0]))
        yield Change(section=pair.section, what=what, kind="removed", before=before)


def _called(listed: Listed, one: Mapping[str, Any]) -> str:
    kind = {"include": "inclusion ", "exclude": "exclusion "}.get(str(one.get("kind")), "")
    name = f'{kind}{listed.one} "{one[listed.called]}"'
    return name[0].upper() + name[1:]
