"""Endpoints of calls: sensitivity and specificity, with the predictive value that goes with each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from studies.evidence.groups import ReadGroup
from studies.evidence.shape import Answer, EndpointEvidence, Line
from studies.evidence.study_rows import StudyRows
from studies.evidence.truth_calls import Group, Judged, Truths
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.diagnostic import accuracy, confusion


def of(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """Sensitivity or specificity by reader and arm, with Wilson's intervals."""
    truths = Truths(rows, endpoint)
    if truths.problem:
        return EndpointEvidence(endpoint=endpoint, reason=truths.problem)
    lines = tuple(line for group in truths.groups for line in _lines(truths, group))
    return EndpointEvidence(endpoint=endpoint, lines=lines, notes=(truths.positives.in_words,))


def _lines(truths: Truths, group: Group) -> Iterator[Line]:
    if isinstance(group, ReadGroup):
        found, expected = truths.calls_of_reads(group.reads), len(group.reads)
        for what, answer in _numbers(truths, found.values):
            yield Line(whose=group.whose, what=what, answer=answer, expected=expected, missing=found.missing)
        return
    of_cases = truths.calls_of_cases(group.cases)
    if truths.is_worth_a_line(group, of_cases):
        for what, answer in _numbers(truths, of_cases.values):
            yield Line(whose=group.whose, what=what, answer=answer, expected=len(group.cases), missing=of_cases.missing)


def _numbers(truths: Truths, pairs: Iterable[Judged]) -> list[tuple[str, Answer]]:
    found = accuracy(confusion((true, bool(called)) for true, called in pairs), level=truths.level)
    if truths.endpoint.measure == "specificity":
        return [("Specificity", found.specificity), ("Negative predictive value", found.negative_predictive_value)]
    return [
        ("Sensitivity", found.sensitivity),
        ("Positive predictive value", found.positive_predictive_value),
        ("Accuracy", found.accuracy),
    ]
