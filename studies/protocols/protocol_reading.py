"""A protocol as a document that is read, not written: what it says, section by section, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.protocols import installed_pipelines, protocol_forms
from studies.protocols.protocol_sayings import Labels, Said, said, said_of, said_of_kinds
from studies.protocols.protocol_sections import SECTIONS
from studies.protocols.protocol_words import Field, Kinds, Listed, Part, Section

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One of a list, such as a criterion, by its name."""

    name: str
    lines: tuple[Said, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines, or a list of things; `none` is what is said when there is nothing."""

    label: str = ""
    lines: tuple[Said, ...] = ()
    things: tuple[Thing, ...] = ()
    none: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadSection:
    """One section as it is read."""

    section: Section
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class PipelineLine:
    """A pipeline of the protocol beside the one that is installed. An empty `problem`: it can run as pinned."""

    name: str
    title: str
    version: str
    digest: str
    problem: str
    may_take_installed: bool = False


def read(document: Document) -> list[ReadSection]:
    """Every section of the document, in the order of the page."""
    labels = Labels.of(document)
    return [ReadSection(section=section, blocks=tuple(_blocks(section, document, labels))) for section in SECTIONS]


def pipelines(document: Document) -> list[PipelineLine]:
    """The pipelines of the document, with what keeps each from being run in the version that it pins."""
    known = installed_pipelines.installed()
    return [_pipeline(one["name"], one["digest"], known.get(one["name"])) for one in document["pipelines"]]


def _pipeline(name: str, digest: str, found: installed_pipelines.Installed | None) -> PipelineLine:
    if found is None:
        return PipelineLine(name=name, title="", version="", digest=digest, problem="not installed here")
    differs = bool(digest) and digest != found.digest
    problem = f"installed in another version, {found.digest[:12]}" if differs else ""
    return PipelineLine(
        name=name,
        title=found.title,
        version="" if differs else found.version,
        digest=digest,
        problem=problem,
        may_take_installed=differs,
    )


def _blocks(section: Section, document: Document, labels: Labels) -> Sequence[Block]:
    blocks: list[Block] = []
    fields = [asked for asked in section.asks if isinstance(asked, Field)]
    if fields:
        blocks.append(Block(lines=tuple(said_of(field, document[field.name], labels) for field in fields)))
    for asked in section.asks:
        match asked:
            case Part():
                blocks.append(_part(asked, document[asked.name], labels))
            case Kinds():
                blocks.append(Block(lines=tuple(said_of_kinds(asked, document[asked.name], labels))))
            case Listed():
                blocks.append(_list(asked, document[asked.name], labels))
    if section.key == "forms":
        blocks.append(_forms(document["forms"]))
    return blocks


def _part(part: Part, value: Document | None, labels: Labels) -> Block:
    label = part.label if part.optional else ""
    if value is None:
        return Block(label=label, none=part.optional)
    return Block(label=label, lines=tuple(said(part, value, labels)))


def _list(listed: Listed, values: Sequence[Document], labels: Labels) -> Block:
    things = tuple(Thing(name=str(one[listed.called]), lines=tuple(said(listed, one, labels)[1:])) for one in values)
    return Block(label=listed.label, things=things, none=listed.none)


def _forms(forms: Sequence[Document]) -> Block:
    things = tuple(
        Thing(
            name=str(form.get("title") or form["name"]),
            lines=tuple(Said(label=key, words=label) for key, label in protocol_forms.questions(form).items()),
        )
        for form in forms
    )
    return Block(things=things, none="There is no form.")
