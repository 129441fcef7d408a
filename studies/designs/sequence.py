"""The order in which one reader meets the reads of a wave, that is of the cases that were dealt out together."""

from __future__ import annotations

from collections.abc import Sequence

from studies.designs.draws import lot
from studies.designs.plan import PlannedRead, Sitting

_Unit = tuple[PlannedRead, ...]
"""Reads of one sitting, which nothing may part."""


def in_order(seed: str, wave: Sequence[PlannedRead], *, last_case: int | None = None) -> tuple[PlannedRead, ...]:
    """One reader's reads of a wave in the order that the seed draws.

    What waits for a washout comes after what does not. A reader does not meet one case twice in a row, sittings apart,
    also not after `last_case`, wherever there is another case to come between.
    """
    ordered: list[_Unit] = []
    for units in _by_washout(wave):
        drawn = sorted(units, key=lambda unit: lot(seed, unit[0].case, *unit[0].sitting))
        ordered += _apart(drawn, ordered[-1][0].case if ordered else last_case)
    return tuple(read for unit in ordered for read in unit)


def _by_washout(wave: Sequence[PlannedRead]) -> list[list[_Unit]]:
    """The wave's sittings, those that follow after one washout behind those that follow after none, and so on."""
    there = {(read.case, read.sitting): read for read in wave}
    joined = {(read.case, read.follows): read for read in wave if read.same_sitting}
    rounds: list[list[_Unit]] = []
    for read in wave:
        if read.same_sitting and (read.case, read.follows) in there:
            continue
        depth = _depth(read, there)
        rounds += [[] for _ in range(depth + 1 - len(rounds))]
        second = joined.get((read.case, read.sitting))
        rounds[depth].append((read, second) if second else (read,))
    return rounds


def _depth(read: PlannedRead, there: dict[tuple[int, Sitting], PlannedRead]) -> int:
    before = there.get((read.case, read.follows)) if read.follows else None
    return 0 if before is None else 1 + _depth(before, there)


def _apart(drawn: Sequence[_Unit], last: int | None) -> list[_Unit]:
    """As drawn, but for units that would follow one of their own case: those wait until another came between."""
    waiting, ordered = list(drawn), list[_Unit]()
    while waiting:
        place = next((n for n, unit in enumerate(waiting) if unit[0].case != last), None)
        if place is None:
            break
        ordered.append(waiting.pop(place))
        last = ordered[-1][0].case
    for unit in waiting:  # all of one case: what is left may still find room further up
        ordered.insert(_room_for(unit, ordered), unit)
    return ordered


def _room_for(unit: _Unit, ordered: Sequence[_Unit]) -> int:
    """The last place with another case on both sides, or the end."""
    case = unit[0].case
    for place in range(len(ordered) - 1, 0, -1):
        if case not in (ordered[place - 1][0].case, ordered[place][0].case):
            return place
    return len(ordered)
