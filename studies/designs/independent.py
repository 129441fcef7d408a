"""Independent reads: each case in each arm by some readers, or by all."""

from __future__ import annotations

from collections import Counter

from studies.designs.draws import lot
from studies.designs.plan import Deal, PlannedRead, Reader, shown_in
from studies.protocols.design_schema import Independent


def reads(design: Independent, deal: Deal) -> tuple[PlannedRead, ...]:
    """For every arm the readers that it lacks: of those who could, the ones with the fewest open reads.

    Ties fall by the readers' seeds. A reader gets a case in a second arm only where there are too few readers, and
    never again what was withdrawn.
    """
    taken = Counter(reader for reader, _ in deal.given)
    planned: list[PlannedRead] = []
    for arm in design.arms:
        chosen = _chosen(design, deal, arm, taken)
        taken.update(reader.key for reader in chosen)
        shown = shown_in(deal.arms[arm])
        planned += [
            PlannedRead(case=deal.case, reader=reader.key, condition=arm, form=design.form, arms=shown)
            for reader in chosen
        ]
    return tuple(planned)


def _chosen(design: Independent, deal: Deal, arm: str, taken: Counter[int]) -> list[Reader]:
    able = [one for one in deal.readers_in(arm, design.reader_role) if (one.key, (arm, 1)) not in deal.given]
    if not design.readers_per_case:
        return able

    def turn(reader: Reader) -> tuple[int, int, str]:
        return taken[reader.key], deal.load.get(reader.key, 0), lot(reader.seed, deal.case, arm)

    standing = sum(stands for (_, sitting), stands in deal.given.items() if sitting == (arm, 1))
    return sorted(able, key=turn)[: max(0, design.readers_per_case - standing)]
