"""Findings of several arms side by side: which is better?"""

from __future__ import annotations

from studies.designs.draws import shuffled
from studies.designs.plan import Deal, PlannedRead
from studies.protocols.design_schema import Preference

CONDITION = "preference"


def reads(design: Preference, deal: Deal) -> tuple[PlannedRead, ...]:
    """One read for every reader, its sides drawn anew for each reader and case."""
    return tuple(
        PlannedRead(
            case=deal.case,
            reader=reader.key,
            condition=CONDITION,
            form=design.form,
            arms=shuffled(reader.seed, design.arms, deal.case, "side"),
        )
        for reader in deal.readers_with(design.reader_role)
    )
