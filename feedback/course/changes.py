"""Changes of one value from exam to exam, against a chosen baseline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from feedback.longitudinal import Change


@dataclass(frozen=True, kw_only=True)
class Value:
    """What one exam was measured at. on: None for an exam without a date, which is compared with no other."""

    on: date | None
    value: float | None

    @property
    def is_comparable(self) -> bool:
        return self.on is not None and self.value is not None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One exam's changes. against: the place of the exam that `since_baseline` compares it with."""

    against: int | None = None
    since_baseline: Change | None = None
    since_previous: Change | None = None
    is_baseline: bool = False


def compare(values: Sequence[Value], *, baseline: int | None, to_nadir: bool) -> list[Compared]:
    """The changes of each of the values, which stand in order of time.

    baseline: the place of the exam from which on changes are counted. to_nadir: compare each exam with the smallest
    value of those before it, the baseline included, instead of with the baseline itself.
    """
    return [_compared(values, place, baseline, to_nadir=to_nadir) for place in range(len(values))]


def _compared(values: Sequence[Value], place: int, baseline: int | None, *, to_nadir: bool) -> Compared:
    value = values[place].value
    if value is None or not values[place].is_comparable:
        return Compared()
    earlier = {n: one.value for n, one in enumerate(values[:place]) if one.is_comparable and one.value is not None}
    since_previous = Change.between(earlier[max(earlier)], value) if earlier else None
    if baseline is None or place <= baseline:
        return Compared(since_previous=since_previous, is_baseline=place == baseline)
    counted = {n: one for n, one in earlier.items() if n >= baseline}
    if not counted:
        return Compared(since_previous=since_previous)
    against = min(counted, key=lambda n: counted[n]) if to_nadir else baseline
    return Compared(
        against=against,
        since_baseline=Change.between(counted[against], value) if against in counted else None,
        since_previous=since_previous,
    )
