"""Walking along the trail: every row's hash, its link to the row before, and the anchors, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from django.conf import settings

from portal.audit import anchors, chain
from portal.audit.anchors import Anchor, Unreadable
from portal.audit.diagnosis import Fault, Kind, Place, Row, edited, what_became
from portal.audit.models import Entry

CHUNK = 5000  # rows fetched at a time
MOST_TOLD = 50
"""So many faults are looked into and kept; the others are counted."""


@dataclass
class Verdict:
    """What the walk came to. Only the first faults are kept; `count` tells of all."""

    rows: int = 0
    anchors: int = 0
    count: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return self.count == 0

    def add(self, fault: Fault) -> None:
        self.count += 1
        if len(self.faults) < MOST_TOLD:
            self.faults.append(fault)


def verify() -> Verdict:
    """Walk along the whole trail, and compare it with every anchor."""
    verdict, keys = Verdict(), chain.keys()
    against = _Anchors(verdict)
    before: Row | None = None
    is_odd = False
    for row, after in pairwise(_with_end(_rows())):
        if row is None:
            break
        verdict.rows += 1
        was_odd, is_odd = is_odd, not _is_as_written(row, keys)
        if gap := _gap(before, row):
            verdict.add(gap)
        if is_odd:
            place = Place(before=before, row=row, after=after, keys=keys)
            verdict.add(what_became(place) if verdict.count < MOST_TOLD else edited(row, "its hash does not fit"))
        elif not gap and not was_odd and row.previous != _hash_of(before):
            verdict.add(_elsewhere(row))
        against.pass_row(row)
        before = row
    against.finish(before.number if before else 0)
    return verdict


def _rows() -> Iterator[Row]:
    found = Entry.objects.order_by("number").values_list(*chain.CONTENT, "hash")
    for values in found.iterator(chunk_size=CHUNK):
        yield Row(content=values[:-1], hash=str(values[-1]))


def _with_end(rows: Iterable[Row]) -> Iterator[Row | None]:
    yield from rows
    yield None
    yield None


def _is_as_written(row: Row, keys: list[bytes]) -> bool:
    return any(chain.hash_of(row.content, key) == row.hash for key in keys)


def _hash_of(row: Row | None) -> str:
    return row.hash if row else chain.NOTHING_BEFORE


def _gap(before: Row | None, row: Row) -> Fault | None:
    first, last = before.number + 1 if before else 1, row.number - 1
    if last < first:
        return None
    which = f"Row {first} is" if first == last else f"Rows {first} to {last} are"
    return Fault(number=first, kind=Kind.MISSING, sentence=f"{which} missing.")


def _elsewhere(row: Row) -> Fault:
    sentence = f"Row {row.number} is as it was written, but not behind the row that is before it now."
    return Fault(number=row.number, kind=Kind.MOVED, sentence=sentence)


class _Anchors:
    """The anchors, each compared with its row as the walk comes by."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._waiting = anchors.read(settings.OVERREAD_AUDIT_ANCHORS)
        self._highest = 0
        self._next = self._take()

    def pass_row(self, row: Row) -> None:
        while self._next is not None and self._next.number <= row.number:
            if self._next.number == row.number and self._next.hash != row.hash:
                self._add(self._next, f"row {row.number} has another hash now than it had then: rows were replaced")
            self._next = self._take()

    def finish(self, last: int) -> None:
        lost = self._next
        while self._next is not None:
            lost = max(lost or self._next, self._next, key=lambda anchor: anchor.number)
            self._next = self._take()
        if lost is not None and lost.number > last:
            self._add(lost, f"the trail reached row {lost.number} then; now it ends with row {last}", number=last + 1)

    def _take(self) -> Anchor | None:
        """The next anchor with a row. One that goes back tells of rows that were there before."""
        for anchor in self._waiting:
            self._verdict.anchors += 1
            if isinstance(anchor, Unreadable):
                sentence = f"Line {anchor.line} of {settings.OVERREAD_AUDIT_ANCHORS} is no anchor."
                self._verdict.add(Fault(number=0, kind=Kind.ANCHOR, sentence=sentence))
            elif anchor.number < self._highest:
                self._add(anchor, f"the trail had gone back from row {self._highest} to row {anchor.number} by then")
                self._highest = anchor.number
            elif anchor.number:
                self._highest = anchor.number
                return anchor
        return None

    def _add(self, anchor: Anchor, what: str, *, number: int | None = None) -> None:
        sentence = f"By the anchor of {anchor.at}, {what}."
        self._verdict.add(Fault(number=number or anchor.number, kind=Kind.CUT, sentence=sentence))
