"""Independent reads by every reader, a share of which the same reader reads once more after the washout."""

from __future__ import annotations

from math import gcd

from studies.designs.draws import rank_in_group
from studies.designs.plan import Deal, PlannedRead, Reader, shown_in
from studies.protocols.design_schema import Repeat


def reads(design: Repeat, deal: Deal) -> tuple[PlannedRead, ...]:
    """Every reader in every arm, and the repeats that are drawn for them."""
    first = [
        PlannedRead(case=deal.case, reader=reader.key, condition=arm, form=design.form, arms=shown_in(deal.arms[arm]))
        for arm in design.arms
        for reader in deal.readers_in(arm, design.reader_role)
    ]
    again = {reader.key for reader in deal.readers if _is_repeated(design, deal.case, reader)}
    return (*first, *(_second(design, read) for read in first if read.reader in again))


def _is_repeated(design: Repeat, case: int, reader: Reader) -> bool:
    """The smallest group in which the share is a whole number of cases gives exactly so many of its cases."""
    size = 100 // gcd(100, design.share_percent)
    return rank_in_group(reader.seed, case, size, "repeat") < design.share_percent * size // 100


def _second(design: Repeat, read: PlannedRead) -> PlannedRead:
    return PlannedRead(
        case=read.case,
        reader=read.reader,
        condition=read.condition,
        form=read.form,
        arms=read.arms,
        occasion=2,
        follows=read.sitting,
        washout_days=design.washout_days,
    )
