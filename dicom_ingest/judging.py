"""What a rule says of an exam, and why, in words. Nothing here asks the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_ingest import conditions
from dicom_ingest.conditions import Facts
from dicom_ingest.headers import SeriesHeader, exam_header
from dicom_ingest.rule_models import RuleVerdict

Outcome = RuleVerdict.Outcome


@dataclass(frozen=True)
class Candidate:
    """One series as a rule sees it: with its exam, its first instance and the way it came."""

    label: str
    facts: Facts


@dataclass(frozen=True)
class Judgement:
    """Matched by which series; or for every series what it failed, or why that cannot be told."""

    outcome: RuleVerdict.Outcome
    explanation: str


def candidates(series: Sequence[SeriesHeader], *, called_ae: str, calling_ae: str) -> list[Candidate]:
    """The received series of one exam that came from `calling_ae` to `called_ae`."""
    exam = exam_header(series)
    titles = {"called_ae": called_ae, "calling_ae": calling_ae}
    return [
        Candidate(header.label, {"exam": exam, "series": header.values, "instance": header.of_instance, **titles})
        for header in series
    ]


def judge(expression: str, among: Sequence[Candidate]) -> Judgement:
    """Whether the expression is true of any of the series.

    An exam matches when one series does. Otherwise a series of which it cannot be told makes the outcome an error:
    "no" is only said when every series is known to fail.
    """
    if not among:
        return Judgement(Outcome.ERROR, "The exam has no received series.")
    findings = [_find(expression, candidate) for candidate in among]
    for outcome in (Outcome.MATCHED, Outcome.ERROR, Outcome.NOT_MATCHED):
        if of_that_kind := [(label, reason) for found, label, reason in findings if found == outcome]:
            return Judgement(outcome, _explained(of_that_kind))
    raise AssertionError("every finding has one of the three outcomes")


def _find(expression: str, candidate: Candidate) -> tuple[RuleVerdict.Outcome, str, str]:
    try:
        unmet = conditions.first_unmet(expression, candidate.facts)
    except conditions.Unanswered as fault:
        return Outcome.ERROR, candidate.label, str(fault)
    if unmet is None:
        return Outcome.MATCHED, candidate.label, conditions.describe(expression, candidate.facts)
    values = conditions.describe(unmet, candidate.facts)
    return Outcome.NOT_MATCHED, candidate.label, f"{unmet} is false{f' ({values})' if values else ''}"


def _explained(findings: Sequence[tuple[str, str]]) -> str:
    """One line for each reason, with the series that share it."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in findings:
        by_reason.setdefault(reason, []).append(label)
    return "\n".join(f"{', '.join(labels)}: {reason or 'nothing was asked'}" for reason, labels in by_reason.items())
