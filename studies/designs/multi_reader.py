"""Multi-reader multi-case: fully crossed, or split-plot, where blocks of readers and of cases are crossed within."""

from __future__ import annotations

from itertools import pairwise

from studies.designs.draws import rank_in_group, shuffled
from studies.designs.plan import Deal, PlannedRead, Reader, shown_in
from studies.protocols.design_schema import MultiReader


def reads(design: MultiReader, deal: Deal) -> tuple[PlannedRead, ...]:
    """Every arm for every reader of the case's block, in an order drawn for each reader and case, washouts between."""
    return tuple(
        read for reader in deal.readers if _meets(design, deal, reader) for read in _chain(design, deal, reader)
    )


def _meets(design: MultiReader, deal: Deal, reader: Reader) -> bool:
    if design.layout == "fully-crossed":
        return True
    return reader.block == rank_in_group(deal.seed, deal.case, design.blocks, "block")


def _chain(design: MultiReader, deal: Deal, reader: Reader) -> list[PlannedRead]:
    mine = [arm for arm in design.arms if reader in deal.readers_in(arm, design.reader_role)]
    drawn = shuffled(reader.seed, mine, deal.case, "arm")
    before: dict[str, str] = {later: earlier for earlier, later in pairwise(drawn)}
    return [
        PlannedRead(
            case=deal.case,
            reader=reader.key,
            condition=arm,
            form=design.form,
            arms=shown_in(deal.arms[arm]),
            follows=(before[arm], 1) if arm in before else None,
            washout_days=design.washout_days if arm in before else 0,
        )
        for arm in drawn
    ]
