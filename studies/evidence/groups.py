"""Whose answers or findings a number is made of: all together, by reader, and by version of a pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from studies.evidence.arms import condition_in_words
from studies.evidence.shape import Missing, ReaderName, Whose
from studies.evidence.study_rows import FindingRow, ReadRow, StudyRows
from studies.protocols.design_schema import Preference, UnaidedAided
from studies.protocols.protocol_schema import Endpoint, PeopleFindings

Row = TypeVar("Row")
Value = TypeVar("Value")

NOT_SUBMITTED = "not submitted yet"
NO_FINDING = "the arm has no finding of the case"


@dataclass(frozen=True)
class Left:
    """Why one row is left out, in words."""

    reason: str


@dataclass(frozen=True)
class Sorted(Generic[Row, Value]):
    """The rows that say something, each with what it says, and why the others do not."""

    taken: tuple[tuple[Row, Value], ...]
    missing: tuple[Missing, ...]

    @property
    def values(self) -> list[Value]:
        return [value for _, value in self.taken]


@dataclass(frozen=True, kw_only=True)
class ReadGroup:
    """Reads in one condition: one reader's, or those of all."""

    whose: Whose
    reads: tuple[ReadRow, ...]


@dataclass(frozen=True, kw_only=True)
class FindingGroup:
    """What an arm found by itself, by case; a case without a finding is here too."""

    whose: Whose
    cases: tuple[tuple[int, FindingRow | None], ...]


def sort_out(rows: Iterable[Row], take: Callable[[Row], Value | Left]) -> Sorted[Row, Value]:
    """What `take` makes of each row; rows of which it makes nothing are counted by their reasons."""
    taken: list[tuple[Row, Value]] = []
    left: Counter[str] = Counter()
    for row in rows:
        found = take(row)
        if isinstance(found, Left):
            left[found.reason] += 1
        else:
            taken.append((row, found))
    return Sorted(tuple(taken), tuple(Missing(count=count, reason=reason) for reason, count in left.most_common()))


def conditions(rows: StudyRows, endpoint: Endpoint | None = None) -> tuple[str, ...]:
    """The conditions of reading that there are, or that the endpoint is about, in the order of the design."""
    content = rows.scope.content
    if not content.is_read:
        return ()
    match content.design:
        case UnaidedAided():
            return ("unaided", "aided")
        case Preference():
            return ("preference",)
        case _:
            named = endpoint.arms if endpoint is not None else ()
            return tuple(arm for arm in named or content.design.arms_named if arm in content.design.arms_named)


def compared(rows: StudyRows, endpoint: Endpoint) -> list[tuple[str, str]]:
    """The conditions whose difference is told: aided less unaided; else the endpoint's first less each other one."""
    named = conditions(rows, endpoint)
    if isinstance(rows.scope.content.design, UnaidedAided):
        return [("aided", "unaided")]
    return [(named[0], other) for other in named[1:]]


def difference_of(rows: StudyRows, first: str, second: str, reader: ReaderName | None) -> Whose:
    """Whose the difference of two conditions is."""
    label = " less ".join(condition_in_words(one, rows.scope) for one in (first, second))
    return Whose(arm=f"{first}-{second}", arm_label=label, by_readers=True, reader=reader)


def of_reads(rows: StudyRows, condition: str) -> Iterator[ReadGroup]:
    """All readers together, each pipeline version where there are several, and each reader."""
    reads = rows.reads_in(condition)
    shown = sorted({rows.makers_shown(one) for one in reads} - {""})
    only = shown[0] if len(shown) == 1 else ""
    whose = Whose(arm=condition, arm_label=condition_in_words(condition, rows.scope), by_readers=True, pipeline=only)
    yield ReadGroup(whose=whose, reads=reads)
    if len(shown) > 1:
        for pipeline in shown:
            own = tuple(one for one in reads if rows.makers_shown(one) == pipeline)
            yield ReadGroup(whose=replace(whose, pipeline=pipeline), reads=own)
    for reader in sorted({one.reader for one in reads}, key=lambda one: (one.role, one.name, one.key)):
        own = tuple(one for one in reads if one.reader == reader)
        yield ReadGroup(whose=replace(whose, reader=reader), reads=own)


def of_findings(rows: StudyRows, arm: str) -> Iterator[FindingGroup]:
    """Every enrolled case together, and the cases of each pipeline version where there are several."""
    found = rows.of_arm(arm)
    versions = sorted({one.pipeline for one in found.values()} - {""})
    only = versions[0] if len(versions) == 1 else ""
    everything = tuple((case, found.get(case)) for case in rows.cases)
    whose = Whose(arm=arm, arm_label=rows.scope.arms.get(arm, arm), pipeline=only)
    yield FindingGroup(whose=whose, cases=everything)
    if len(versions) > 1:
        for version in versions:
            own = tuple((case, one) for case, one in everything if one is not None and one.pipeline == version)
            yield FindingGroup(whose=replace(whose, pipeline=version), cases=own)


def arms_with_findings(rows: StudyRows, endpoint: Endpoint) -> Sequence[str]:
    """The endpoint's arms, or where it names none all, whose findings are not readers' answers."""
    content = rows.scope.content
    arms = {arm.key: arm for arm in content.arms}
    named = [arms[key] for key in endpoint.arms or arms if key in arms]
    return [
        arm.key
        for arm in named
        if not isinstance(arm.findings, PeopleFindings) or any(one.drawn for one in rows.of_arm(arm.key).values())
    ]
