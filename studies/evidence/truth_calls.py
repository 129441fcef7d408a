"""What readers and arms called, case by case, beside the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from studies.evidence import groups
from studies.evidence.groups import FindingGroup, Left, ReadGroup, Row, Sorted, sort_out
from studies.evidence.meaning import (
    NO_TRUTH,
    Positives,
    found_by,
    said_by,
    suspicion_of_finding,
    suspicion_of_read,
    true_values,
    truth_key,
)
from studies.evidence.study_rows import FindingRow, ReadRow, StudyRows
from studies.protocols.protocol_schema import Endpoint

NO_KEY = (
    "The truth has several answers and none of them is the endpoint's question, so which one it is held against cannot "
    "be told. Name the question in the endpoint."
)
NO_TRUTH_AT_ALL = "No version of the truth is locked yet."
Group = ReadGroup | FindingGroup
Judged = tuple[bool, float]
"""The truth, and what was called (1 or 0) or how strongly was suspected."""
Case = tuple[int, FindingRow | None]


@dataclass(frozen=True)
class Truths:
    """What is positive in truth, for one endpoint."""

    rows: StudyRows
    endpoint: Endpoint

    @cached_property
    def key(self) -> str:
        return truth_key(self.rows, self.endpoint)

    @cached_property
    def positives(self) -> Positives:
        return Positives.of(self.endpoint)

    @property
    def level(self) -> float:
        return 1 - self.endpoint.alpha

    @property
    def problem(self) -> str:
        """Why nothing can be held against the truth; empty where it can."""
        if self.rows.truth is None:
            return NO_TRUTH_AT_ALL
        return "" if self.key else NO_KEY

    @property
    def groups(self) -> Iterator[Group]:
        """Readers first; then what the arms find by themselves."""
        for condition in groups.conditions(self.rows, self.endpoint):
            yield from groups.of_reads(self.rows, condition)
        for arm in groups.arms_with_findings(self.rows, self.endpoint):
            yield from groups.of_findings(self.rows, arm)

    def calls_of_reads(self, reads: Sequence[ReadRow]) -> Sorted[ReadRow, Judged]:
        return sort_out(reads, lambda one: self._judged(one.case, said_by(one, self._question)))

    def calls_of_cases(self, cases: Sequence[Case]) -> Sorted[Case, Judged]:
        return sort_out(cases, lambda one: self._judged(one[0], found_by(one[1], self._keys)))

    def suspicions_of_reads(self, reads: Sequence[ReadRow]) -> Sorted[ReadRow, Judged]:
        def take(read: ReadRow) -> Judged | Left:
            return self._judged(read.case, suspicion_of_read(read, self._question, self.key, self.positives))

        return sort_out(reads, take)

    def suspicions_of_cases(self, cases: Sequence[Case]) -> Sorted[Case, Judged]:
        return sort_out(
            cases, lambda one: self._judged(one[0], suspicion_of_finding(one[1], self._keys, self.positives))
        )

    def is_worth_a_line(self, group: Group, found: Sorted[Row, Judged]) -> bool:
        """Where people read, an arm that says nothing of the question by itself is left out without a word."""
        return isinstance(group, ReadGroup) or bool(found.taken) or not self.rows.scope.content.is_read

    @property
    def _question(self) -> str:
        return self.endpoint.question or self.key

    @property
    def _keys(self) -> tuple[str, ...]:
        """Under which an arm's table may say it."""
        return tuple(key for key in (self.endpoint.question, self.key) if key)

    def _judged(self, case: int, found: Sequence[object] | float | Left) -> Judged | Left:
        if isinstance(found, Left):
            return found
        values = true_values(self.rows, case, self.key)
        if not values:
            return Left(NO_TRUTH)
        true = self.positives.call(values)
        called = found if isinstance(found, float) else self.positives.call(found)
        if isinstance(true, Left):
            return Left(f"of the truth, {true.reason}")
        return called if isinstance(called, Left) else (true, float(called))
