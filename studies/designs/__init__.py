"""How each reading design is carried out: who reads what, and what has to come before. No database, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from studies.designs import blind_scoring, independent, multi_reader, preference, repeat, unaided_aided
from studies.designs.plan import Deal, PlannedRead, Reader, shown_in
from studies.designs.sequence import in_order
from studies.protocols.design_schema import (
    BlindScoring,
    Design,
    Independent,
    MultiReader,
    Preference,
    Repeat,
    Shadow,
    Standalone,
    UnaidedAided,
)
from studies.protocols.protocol_schema import Arm, PeopleFindings

__all__ = [
    "Deal",
    "PlannedRead",
    "PreviewLine",
    "Reader",
    "arms_shown",
    "blocks",
    "due_days",
    "in_order",
    "preview",
    "reads",
    "reads_wanted",
]


def reads(design: Design, deal: Deal) -> tuple[PlannedRead, ...]:  # noqa: PLR0911 - one for each design
    """The reads that the case needs. Standalone studies and shadow mode have none."""
    match design:
        case Standalone() | Shadow():
            return ()
        case Independent():
            return independent.reads(design, deal)
        case UnaidedAided():
            return unaided_aided.reads(design, deal)
        case MultiReader():
            return multi_reader.reads(design, deal)
        case Preference():
            return preference.reads(design, deal)
        case BlindScoring():
            return blind_scoring.reads(design, deal)
        case Repeat():
            return repeat.reads(design, deal)
    assert_never(design)


def blocks(design: Design) -> int:
    """Into how many blocks of equal size the design divides its readers."""
    match design:
        case UnaidedAided(order="crossover"):
            return 2
        case MultiReader(layout="split-plot"):
            return design.blocks
        case _:
            return 1


def reads_wanted(design: Design, deal: Deal) -> int | None:
    """How many reads a case has when it has all, where some readers are chosen for it; None where all of them read."""
    if not isinstance(design, Independent) or not design.readers_per_case:
        return None
    able = (len(deal.readers_in(arm, design.reader_role)) for arm in design.arms)
    return sum(min(design.readers_per_case, count) for count in able)


def due_days(design: Design) -> int:
    """Within how many days a read is expected, once it may be opened; 0: no date."""
    return 0 if isinstance(design, Standalone | Shadow) else design.due_days


def arms_shown(design: Design, arms: Mapping[str, Arm]) -> frozenset[str]:
    """The arms whose findings some reader is shown: a case waits until all of them have spoken."""
    match design:
        case Standalone() | Shadow():
            return frozenset()
        case UnaidedAided() | Preference() | BlindScoring():
            return frozenset(design.arms_named)
        case _:
            return frozenset(key for key in design.arms_named if shown_in(arms[key]))


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """One read of an imagined reader, as the protocol's page shows it. `waits` says what has to come before."""

    reader: int
    role: str
    position: int
    case: int
    condition: str
    occasion: int
    shown: tuple[str, ...]
    waits: str


def preview(design: Design, arms: Mapping[str, Arm], *, readers: int = 3, cases: int = 4) -> tuple[PreviewLine, ...]:
    """What the design would make of so many readers and cases: by reader, in the order of reading.

    Drawn from made-up seeds, so the order shown is one of many.
    """
    imagined = _mock_readers(design, arms, count=readers)
    load: dict[int, int] = {}
    planned: list[PlannedRead] = []
    for number in range(1, cases + 1):
        dealt = reads(design, Deal(case=number, readers=imagined, arms=arms, seed="preview", load=load))
        for read in dealt:
            load[read.reader] = load.get(read.reader, 0) + 1
        planned += dealt
    return tuple(
        _line(position, read, reader, arms)
        for reader in imagined
        for position, read in enumerate(in_order(reader.seed, [r for r in planned if r.reader == reader.key]), start=1)
    )


def _line(position: int, read: PlannedRead, reader: Reader, arms: Mapping[str, Arm]) -> PreviewLine:
    return PreviewLine(
        reader=reader.key,
        role=reader.role,
        position=position,
        case=read.case,
        condition=read.condition,
        occasion=read.occasion,
        shown=tuple(arms[key].label for key in read.arms),
        waits=_waits(read),
    )


def _waits(read: PlannedRead) -> str:
    if read.follows is None:
        return ""
    if read.same_sitting:
        return "same sitting, once the answer before is locked"
    return f"{read.washout_days} days after the case's read before"


def _mock_readers(design: Design, arms: Mapping[str, Arm], *, count: int) -> tuple[Reader, ...]:
    """So many readers, or one of each role that reads where there are more roles."""
    of_arms = [arms[key].findings for key in design.arms_named if key in arms]
    answering = [one for one in of_arms if isinstance(one, PeopleFindings) and not one.are_drawn]
    roles = {one.reader_role for one in answering} | set(design.roles_named)
    named = sorted(role for role in roles if role) or [""]
    return tuple(
        Reader(key=n + 1, seed=f"preview-{n + 1}", role=named[n % len(named)], block=n % blocks(design))
        for n in range(max(count, len(named)))
    )
