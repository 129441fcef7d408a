"""Whether an exam enters a study: what each criterion of its protocol says of it, and what follows. No database here.

Services that keep it: `enrolment` for what comes, `rescreening` for what is screened again or decided by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dicom_ingest import judging
from dicom_ingest.exam_headers import HeaderUnreadable
from dicom_ingest.judging import Candidate
from studies.case_models import Screening
from studies.protocols.protocol_schema import Criterion

Outcome = Screening.Outcome
Among = Sequence[Candidate] | HeaderUnreadable
"""The series of an exam as a criterion sees them, or why they cannot be read."""


class Said(StrEnum):
    """What a criterion says of an exam: a series meets it, none does, or it cannot be told."""

    MET = "met"
    NOT_MET = "not met"
    UNDECIDED = "cannot be decided"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One criterion's word on one exam, with the series and values that it is from."""

    criterion: str
    kind: str
    said: Said
    explanation: str

    @property
    def excludes(self) -> bool:
        return self.said == (Said.NOT_MET if self.kind == "include" else Said.MET)


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What all criteria together say. `criterion` and `reason` are those of the first that decided."""

    outcome: Screening.Outcome
    criterion: str = ""
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """As fields of a Screening."""
        return {
            "outcome": self.outcome,
            "criterion": self.criterion,
            "reason": self.reason,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }


def screen(criteria: Sequence[Criterion], among: Among) -> Screened:
    """Judge an exam: it enters when a series meets every inclusion criterion and none meets an exclusion criterion.

    A criterion that surely excludes decides, whatever else cannot be told; otherwise one that cannot be told leaves the
    exam undecided.
    """
    verdicts = tuple(_verdict(criterion, among) for criterion in criteria)
    if against := next((one for one in verdicts if one.excludes), None):
        return _because(Outcome.EXCLUDED, against, verdicts)
    if unclear := next((one for one in verdicts if one.said == Said.UNDECIDED), None):
        return _because(Outcome.UNDECIDED, unclear, verdicts)
    return Screened(outcome=Outcome.MATCHED, verdicts=verdicts)


def _because(outcome: Screening.Outcome, verdict: Verdict, verdicts: tuple[Verdict, ...]) -> Screened:
    return Screened(outcome=outcome, criterion=verdict.criterion, reason=verdict.explanation, verdicts=verdicts)


def _verdict(criterion: Criterion, among: Among) -> Verdict:
    said, explanation = _said(criterion.when, among)
    return Verdict(criterion=criterion.name, kind=criterion.kind, said=said, explanation=explanation)


def _said(expression: str, among: Among) -> tuple[Said, str]:
    if isinstance(among, HeaderUnreadable):
        return Said.UNDECIDED, str(among)
    judgement = judging.judge(expression, among)
    said = {judging.Outcome.MATCHED: Said.MET, judging.Outcome.NOT_MATCHED: Said.NOT_MET}
    return said.get(judgement.outcome, Said.UNDECIDED), judgement.explanation
