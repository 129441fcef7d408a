"""A section of the protocol's page as the browser posts it, made into the document that is to be saved.

Names are ways into the document, `criteria.0.when`; the number is that of the row on the page. Rows of a list are
posted in their order as `criteria.rows`. A row in which nothing stands yet is no part of the document.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from studies.protocols.protocol_words import Field, Kinds, Listed, Part, Section
from studies.protocols.section_defaults import of_kind

Document = Mapping[str, Any]
PRESENT = "present"
"""The last part of the name that is posted for an optional part which is there."""


@dataclass(frozen=True)
class Posted:
    """What one section says now. `shown` has the rows in which nothing stands yet, `document` has not.

    rows: for each list, the numbers in `shown` of the rows that are in the document.
    """

    shown: Document
    document: Document
    rows: Mapping[str, tuple[int, ...]]


def read(section: Section, data: QueryDict, before: Document) -> dict[str, Any]:
    """The document `before` with what was posted of `section`, rows in which nothing stands yet among it."""
    shown: dict[str, Any] = dict(before)
    for asked in section.asks:
        match asked:
            case Field():
                shown[asked.name] = _value(asked, asked.name, data)
            case Part():
                shown[asked.name] = _part(asked, data)
            case Kinds():
                shown[asked.name] = _kinds(asked, asked.name, data, shown)
            case Listed():
                rows = [_row(asked, f"{asked.name}.{row}", data, shown) for row in data.getlist(f"{asked.name}.rows")]
                shown[asked.name] = _with_keys(asked, rows)
    return shown


def settled(section: Section, shown: Document) -> Posted:
    """What of `shown` is the document: all but rows in which nothing stands yet."""
    rows: dict[str, tuple[int, ...]] = {}
    document = dict(shown)
    for listed in section.asks:
        if isinstance(listed, Listed):
            kept = [at for at, one in enumerate(shown[listed.name]) if not is_blank(listed, one)]
            rows[listed.name] = tuple(kept)
            document[listed.name] = [shown[listed.name][at] for at in kept]
    if section.key == "arms":
        document["pipelines"] = _pipelines_of(document)
    return Posted(shown, document, rows)


def _pipelines_of(document: Document) -> list[dict[str, Any]]:
    """Those that arms have their findings from, in the versions that the document pins."""
    pinned = {one["name"]: one["digest"] for one in document["pipelines"]}
    named = [arm["findings"].get(key) for arm in document["arms"] for key in ("pipeline", "start")]
    return [{"name": name, "digest": pinned.get(name, "")} for name in dict.fromkeys(filter(None, named))]


def is_blank(listed: Listed, row: Document) -> bool:
    """Whether nothing was written in the row but what stands in every new one."""
    return not any(row[field.name] for field in _texts(listed))


def _texts(listed: Listed) -> Iterator[Field]:
    for field in listed.fields:
        if isinstance(field, Field) and field.kind in ("line", "prose", "code"):
            yield field


def _part(part: Part, data: QueryDict) -> dict[str, Any] | None:
    if part.optional and f"{part.name}.{PRESENT}" not in data:
        return None
    return {field.name: _value(field, f"{part.name}.{field.name}", data) for field in part.fields}


def _row(listed: Listed, name: str, data: QueryDict, document: Document) -> dict[str, Any]:
    return {
        field.name: _kinds(field, f"{name}.{field.name}", data, document)
        if isinstance(field, Kinds)
        else _value(field, f"{name}.{field.name}", data)
        for field in listed.fields
    }


def _kinds(kinds: Kinds, name: str, data: QueryDict, document: Document) -> dict[str, Any]:
    """What was posted of the kind; of a kind that was just chosen, what was not asked yet stands at its default."""
    value = data.get(f"{name}.kind", kinds.kinds[0].value)
    known = {kind.value: kind for kind in kinds.kinds}
    if value not in known:
        return {"kind": value}
    defaults = of_kind(kinds.name, value, document)
    asked_before = set(data.getlist(f"{name}.asked"))
    fields = {
        field.name: _value(field, f"{name}.{field.name}", data) if field.name in asked_before else defaults[field.name]
        for field in known[value].fields
        if field.name in asked_before or field.name in defaults
    }
    return {"kind": value, **fields}


def _value(field: Field, name: str, data: QueryDict) -> Any:  # noqa: PLR0911 - one for each kind of field
    match field.kind:
        case "flag":
            return name in data
        case "several":
            return data.getlist(name)
        case "lines":
            return [line.strip() for line in data.get(name, "").splitlines() if line.strip()]
        case "number":
            text = data.get(name, "").strip()
            return None if not text and field.empty else _number(text)
        case "choice" if all(one.value.isdecimal() for one in field.choices) and field.choices:
            return _number(data.get(name, ""))
        case "prose" | "code":
            return data.get(name, "").replace("\r\n", "\n").strip()
        case _:
            return data.get(name, "").strip()


def _number(text: str) -> int | float | str:
    """The number, or the text as it stands where it is none: the schema then says what it expects."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _with_keys(listed: Listed, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that have no key yet get one from what they are called. A key that was given never changes."""
    if not any(isinstance(field, Field) and field.kind == "key" for field in listed.fields):
        return rows
    taken = {str(row["key"]) for row in rows}
    for row in rows:
        if not row["key"] and row[listed.called]:
            row["key"] = _free_key(str(row[listed.called]), taken)
            taken.add(row["key"])
    return rows


def _free_key(called: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", called).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-0123456789")[:40].strip("-") or "one"
    if stem not in taken:
        return stem
    return next(key for number in range(2, len(taken) + 3) if (key := f"{stem}-{number}") not in taken)
