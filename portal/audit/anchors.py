"""Anchors: the trail's last row, written down outside the database from time to time.

A chain whose end is cut off is a whole chain. A file that remembers how far it had come, and its last hash, tells.
It is only appended to, and better still copied to where the administrators of the portal cannot reach it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.timezone import now

from portal.audit import chain
from portal.audit.models import Entry

_LAST_LINE = 4096  # bytes; a line is a fraction of it


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The last row at a time, ISO 8601, and its hash; number 0 while there was none."""

    number: int
    hash: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A line of the file that is no anchor."""

    line: int


def head() -> Anchor:
    """The last row of the trail now."""
    last = Entry.objects.order_by("-number").values_list("number", "hash").first()
    number, digest = last or (0, chain.NOTHING_BEFORE)
    return Anchor(number=number, hash=digest, at=now().isoformat(timespec="seconds"))


def write() -> Anchor:
    """Append the last row to the file, fsynced, unless nothing was added since; return it. Raises OSError."""
    path = settings.OVERREAD_AUDIT_ANCHORS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # read the head only now, so that the file's numbers never go down
        found = head()
        if _last(file) != (found.number, found.hash):
            file.write(json.dumps(asdict(found)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return found


def read(path: Path) -> Iterator[Anchor | Unreadable]:
    """The anchors, the oldest first, and in their place the lines that are none. Nothing where there is no file.

    What is appended after the first was taken is left out: it may tell of rows that its reader has not seen.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        for place, line in enumerate(file, start=1):
            left -= len(line)
            if left < 0:
                return
            yield _anchor(line) or Unreadable(line=place)


def _anchor(line: bytes) -> Anchor | None:
    try:
        held = json.loads(line)
        return Anchor(number=int(held["number"]), hash=str(held["hash"]), at=str(held["at"]))
    except (ValueError, KeyError, TypeError):
        return None


def _last(file: IO[bytes]) -> tuple[int, str] | None:
    """Number and hash of the last line; None where there is none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LAST_LINE))
    lines = file.read().splitlines()
    anchor = _anchor(lines[-1]) if lines else None
    return (anchor.number, anchor.hash) if anchor else None
