"""The same reader without and with the findings of an arm: in one sitting, or a washout apart."""

from __future__ import annotations

from studies.designs.plan import Deal, PlannedRead, Reader
from studies.protocols.design_schema import UnaidedAided

UNAIDED, AIDED = "unaided", "aided"
BEGINS_AIDED = 1
"""The block of readers who begin aided in a crossover."""


def reads(design: UnaidedAided, deal: Deal) -> tuple[PlannedRead, ...]:
    """Two reads for every reader; the second is closed until the first is submitted."""
    pairs = (_pair(design, deal, reader) for reader in deal.readers_with(design.reader_role))
    return tuple(read for pair in pairs for read in pair)


def _pair(design: UnaidedAided, deal: Deal, reader: Reader) -> tuple[PlannedRead, PlannedRead]:
    crosses_over = design.order == "crossover"
    first, second = (AIDED, UNAIDED) if crosses_over and reader.block == BEGINS_AIDED else (UNAIDED, AIDED)
    shown = {UNAIDED: (), AIDED: (design.aid,)}
    return (
        PlannedRead(case=deal.case, reader=reader.key, condition=first, form=design.form, arms=shown[first]),
        PlannedRead(
            case=deal.case,
            reader=reader.key,
            condition=second,
            form=design.form,
            arms=shown[second],
            follows=(first, 1),
            washout_days=design.washout_days if crosses_over else 0,
            same_sitting=not crosses_over,
        ),
    )
