"""Criteria tried on the exams that completed last, before they decide about those to come. Nothing is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_ingest import rule_trial
from dicom_ingest.models import Exam
from dicom_ingest.rule_models import Rule
from studies.cases import screening
from studies.cases.screening import Outcome, Screened
from studies.protocols.protocol_schema import Criterion

EVERY_EXAM = Rule()
"""Asked of all AE titles: a study that does not run yet has had no exams of its own."""


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """What the criteria would have said of one exam."""

    exam: Exam
    screened: Screened


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A stretch of a trial: exams number `start` up to `end` of `total`, the last to arrive first."""

    lines: tuple[PreviewLine, ...]
    start: int
    end: int
    total: int

    @property
    def is_over(self) -> bool:
        return self.end >= self.total

    def count(self, outcome: Outcome) -> int:
        """How many of this stretch came out so."""
        return sum(line.screened.outcome == outcome for line in self.lines)


def preview(criteria: Sequence[Criterion], *, until: datetime, seconds: float, start: int = 0) -> Preview:
    """Screen the last exams that completed before `until`, from number `start` on, for about `seconds`."""
    keys = rule_trial.last_exams(EVERY_EXAM, until=until)
    batches = rule_trial.past_exams(EVERY_EXAM, keys[start:], until=until)
    lines = tuple(
        PreviewLine(exam=past.exam, screened=screening.screen(criteria, past.among))
        for batch in rule_trial.within(seconds, batches)
        for past in batch
    )
    return Preview(lines=lines, start=start, end=start + len(lines), total=len(keys))
