"""Endpoints of calls: sensitivity and specificity, with the predictive value that goes with each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from studies.evidence import groups
from studies.evidence.groups import ReadGroup
from studies.evidence.shape import Answer, EndpointEvidence, Line, Missing, ReaderName
from studies.evidence.study_rows import StudyRows
from studies.evidence.truth_calls import Group, Judged, Truths
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.diagnostic import accuracy, confusion
from studies.statistics.proportions import paired_difference


def of(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """Sensitivity or specificity by reader and arm, with Wilson's intervals."""
    truths = Truths(rows, endpoint)
    if truths.problem:
        return EndpointEvidence(endpoint=endpoint, reason=truths.problem)
    lines = tuple(line for group in truths.groups for line in _lines(truths, group))
    return EndpointEvidence(
        endpoint=endpoint,
        lines=lines,
        differences=tuple(_differences(truths)),
        notes=(truths.positives.in_words,),
    )


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


def _differences(truths: Truths) -> Iterator[Line]:
    """Of the cases that a reader called in both conditions: all readers together, then each."""
    rows, wanted = truths.rows, truths.endpoint.measure == "sensitivity"
    for first, second in groups.compared(rows, truths.endpoint):
        right = [_right(truths, one, wanted=wanted) for one in (first, second)]
        paired = {key: (right[0][key], right[1][key]) for key in right[0].keys() & right[1].keys()}
        readers = sorted({reader for each in right for _, reader in each}, key=lambda one: one.key)
        for who in (None, *readers):
            pairs = [pair for (_, reader), pair in paired.items() if who in (None, reader)]
            # Whether a case is positive is known of those alone that have a truth, so these are what there should be.
            expected = sum(who in (None, reader) for _, reader in right[0].keys() | right[1].keys())
            left = expected - len(pairs)
            yield Line(
                whose=groups.difference_of(rows, first, second, who),
                what=f"Difference of {'sensitivities' if wanted else 'specificities'}",
                answer=paired_difference(
                    both=pairs.count((True, True)),
                    first_only=pairs.count((True, False)),
                    second_only=pairs.count((False, True)),
                    neither=pairs.count((False, False)),
                    what=f"cases, {'positive' if wanted else 'negative'} in truth, that a reader called in both",
                    level=truths.level,
                ),
                expected=expected,
                missing=(Missing(count=left, reason="called in one of both alone"),) if left else (),
            )


def _right(truths: Truths, condition: str, *, wanted: bool) -> dict[tuple[int, ReaderName], bool]:
    """Whether each reader was right about each case that is `wanted` in truth, positive or negative."""
    found = truths.calls_of_reads(truths.rows.reads_in(condition))
    return {(read.case, read.reader): bool(called) == true for read, (true, called) in found.taken if true is wanted}
