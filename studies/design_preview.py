"""A reading design as it would deal a few cases to a few readers, for the protocol's page to draw."""

from __future__ import annotations

from dataclasses import dataclass

from studies import designs
from studies.designs import PreviewLine
from studies.protocol_schema import Protocol

READERS, CASES = 3, 4


@dataclass(frozen=True, kw_only=True)
class DrawnRead:
    """One read in a lane. `tone` numbers its condition, so that equal ones look the same."""

    case: int
    shows: str
    tone: int
    waits: str
    is_again: bool


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The reads of one imagined reader, in their order."""

    name: str
    reads: tuple[DrawnRead, ...]


def lanes(protocol: Protocol) -> tuple[Lane, ...]:
    """A lane for each imagined reader; none where nobody reads."""
    if not protocol.is_read:
        return ()
    arms = {arm.key: arm for arm in protocol.arms}
    lines = designs.preview(protocol.design, arms, readers=READERS, cases=CASES)
    tones = {condition: tone for tone, condition in enumerate(dict.fromkeys(line.condition for line in lines))}
    roles = {role.key: role.label for role in protocol.reader_roles}
    return tuple(
        Lane(name=_name(reader, mine[0].role, roles), reads=tuple(_drawn(line, tones) for line in mine))
        for reader in dict.fromkeys(line.reader for line in lines)
        if (mine := [line for line in lines if line.reader == reader])
    )


def _name(reader: int, role: str, roles: dict[str, str]) -> str:
    return f"{roles.get(role, 'Reader')} {reader}"


def _drawn(line: PreviewLine, tones: dict[str, int]) -> DrawnRead:
    return DrawnRead(
        case=line.case,
        shows=", ".join(line.shown) or "images alone",
        tone=tones[line.condition] % 4,
        waits=line.waits,
        is_again=line.occasion > 1,
    )
