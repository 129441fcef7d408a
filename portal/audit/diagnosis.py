"""What was done to a row whose hash is not that of its content, as far as its neighbours and the anchors tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from django.conf import settings

from portal.audit import anchors, chain
from portal.audit.anchors import Anchor

SEARCHED = 50
"""So far away from its place a row that was moved is looked for."""


class Kind(StrEnum):
    """What was done to a row."""

    EDITED = "edited"
    MISSING = "missing"
    INSERTED = "inserted"
    MOVED = "moved"
    CUT = "cut"
    ANCHOR = "anchor"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong, with the row it begins at."""

    number: int
    kind: Kind
    sentence: str


class Row(NamedTuple):
    """A stored row: the values in the order of chain.CONTENT, and its hash."""

    content: tuple[object, ...]
    hash: str

    @property
    def number(self) -> int:
        return int(str(self.content[0]))

    @property
    def previous(self) -> str:
        return str(self.content[-1])


@dataclass(frozen=True, kw_only=True)
class Place:
    """A row between its neighbours, and the keys that rows are written with."""

    before: Row | None
    row: Row
    after: Row | None
    keys: Sequence[bytes]

    @property
    def linked(self) -> str:
        """The hash that stands before the row."""
        return self.before.hash if self.before else chain.NOTHING_BEFORE

    @property
    def follows(self) -> str | None:
        """What the next row was written behind."""
        return self.after.previous if self.after else None

    def gives(self, content: tuple[object, ...], digest: str | None) -> bool:
        """Whether a row of that content was written with that hash."""
        return any(chain.hash_of(content, key) == digest for key in self.keys)


def what_became(place: Place) -> Fault:
    """What was done to the row of `place`; to be asked only of one whose hash does not fit."""
    return _moved(place) or _edited(place) or _inserted(place) or edited(place.row, "nothing around it fits it")


def edited(row: Row, what: str) -> Fault:
    """The row's content is not what was written; `what` says what is known of it."""
    return Fault(number=row.number, kind=Kind.EDITED, sentence=f"Row {row.number} was edited: {what}.")


def _moved(place: Place) -> Fault | None:
    row = place.row
    for number in range(max(1, row.number - SEARCHED), row.number + SEARCHED + 1):
        if place.gives((number, *row.content[1:]), row.hash):
            sentence = f"Row {row.number} was moved or copied here: it was written as row {number}."
            return Fault(number=row.number, kind=Kind.MOVED, sentence=sentence)
    return None


def _edited(place: Place) -> Fault | None:
    row, following = place.row, place.row.number + 1
    if place.gives((*row.content[:-1], place.linked), row.hash):
        return edited(row, "what it holds as the hash of the row before it is not what was written; the rest is")
    if place.gives(row.content, place.follows):
        return edited(row, f"its hash was replaced; its content is what row {following} was written behind")
    if place.follows == row.hash:
        return edited(row, f"its content does not give the hash that it and row {following} hold")
    if place.after is None and _is_anchored(row):
        return edited(row, "its content does not give the hash that it and an anchor hold")
    return None


def _inserted(place: Place) -> Fault | None:
    number = place.row.number
    if place.follows == place.linked:
        sentence = f"Row {number} was inserted: row {number + 1} was written right behind row {number - 1}."
    elif place.after is None:
        sentence = f"Row {number} was inserted at the end, or edited: no key of this portal gives its hash."
    else:
        return None
    return Fault(number=number, kind=Kind.INSERTED, sentence=sentence)


def _is_anchored(row: Row) -> bool:
    held = anchors.read(settings.OVERREAD_AUDIT_ANCHORS)
    return any(isinstance(one, Anchor) and (one.number, one.hash) == (row.number, row.hash) for one in held)
