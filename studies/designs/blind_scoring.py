"""Findings of several arms, such as expert, novice and AI, scored one at a time by who cannot tell them apart."""

from __future__ import annotations

from studies.designs.plan import Deal, PlannedRead
from studies.protocols.design_schema import BlindScoring


def reads(design: BlindScoring, deal: Deal) -> tuple[PlannedRead, ...]:
    """One read for every reader and arm. The order drawn for them keeps those of one case apart."""
    return tuple(
        PlannedRead(case=deal.case, reader=reader.key, condition=arm, form=design.form, arms=(arm,))
        for reader in deal.readers_with(design.reader_role)
        for arm in design.arms
    )
