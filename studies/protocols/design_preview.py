"""A reading design as it would deal a few cases to a few readers, for the protocol's page to draw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from studies import designs
from studies.designs import PreviewLine
from studies.protocols.protocol_schema import PeopleFindings, Protocol

READERS, CASES = 3, 4
"""So many of each kind."""


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
    """A lane for each imagined reader who reads; none where nobody does."""
    if not protocol.is_read:
        return ()
    arms = {arm.key: arm for arm in protocol.arms}
    roles = {role.key: role.label for role in protocol.reader_roles}
    lines = designs.preview(protocol.design, arms, readers=READERS * max(1, len(_roles_named(protocol))), cases=CASES)
    tones = {condition: tone for tone, condition in enumerate(dict.fromkeys(line.condition for line in lines))}
    by_reader: dict[int, list[PreviewLine]] = {}
    for line in lines:
        by_reader.setdefault(line.reader, []).append(line)
    count: Counter[str] = Counter()
    drawn: list[Lane] = []
    for mine in by_reader.values():
        role = mine[0].role
        count[role] += 1
        name = f"{roles.get(role, 'Reader')} {count[role]}"
        drawn.append(Lane(name=name, reads=tuple(_drawn(line, tones) for line in mine)))
    return tuple(drawn)


def _roles_named(protocol: Protocol) -> set[str]:
    """So many kinds of reader there have to be that each is imagined; those who only draw get no lane."""
    findings = [arm.findings for arm in protocol.arms if arm.is_answered]
    of_arms = [one.reader_role for one in findings if isinstance(one, PeopleFindings)]
    return {role for role in (*of_arms, *protocol.design.roles_named) if role}


def _drawn(line: PreviewLine, tones: dict[str, int]) -> DrawnRead:
    return DrawnRead(
        case=line.case,
        shows=", ".join(line.shown) or "images alone",
        tone=tones[line.condition] % 4,
        waits=line.waits,
        is_again=line.occasion > 1,
    )
