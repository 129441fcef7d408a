"""Endpoints of the area under the ROC curve: by reader, their mean, by arm, and the difference of two conditions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from studies.evidence import groups
from studies.evidence.groups import ReadGroup, Sorted
from studies.evidence.shape import EndpointEvidence, Line, Missing, ReaderName
from studies.evidence.study_rows import ReadRow, StudyRows
from studies.evidence.truth_calls import Group, Judged, Truths
from studies.protocols.protocol_schema import Endpoint
from studies.statistics import roc

NOT_BY_ALL = "of cases that not all of these readers answered"
WHAT = "Area under the ROC curve"


def of(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """Areas with DeLong's intervals, and their differences between conditions."""
    truths = Truths(rows, endpoint)
    if truths.problem:
        return EndpointEvidence(endpoint=endpoint, reason=truths.problem)
    lines = tuple(line for group in truths.groups for line in _lines(truths, group))
    return EndpointEvidence(
        endpoint=endpoint,
        lines=lines,
        differences=tuple(_differences(truths)),
        notes=(
            truths.positives.in_words,
            "All readers: the mean of their areas over the cases that all of them answered, readers taken as fixed.",
        ),
    )


def _lines(truths: Truths, group: Group) -> Iterator[Line]:
    if isinstance(group, ReadGroup):
        yield _of_reads(truths, group)
        return
    found = truths.suspicions_of_cases(group.cases)
    if truths.is_worth_a_line(group, found):
        true, scores = [pair[0] for pair in found.values], [pair[1] for pair in found.values]
        yield Line(
            whose=group.whose,
            what=WHAT,
            answer=roc.area(true, scores, level=truths.level),
            expected=len(group.cases),
            missing=found.missing,
            points=roc.curve(true, scores),
        )


def _of_reads(truths: Truths, group: ReadGroup) -> Line:
    found = truths.suspicions_of_reads(group.reads)
    crossed = _crossed(found, {one.reader for one in group.reads})
    only = crossed.scores[0] if len(crossed.scores) == 1 else None
    return Line(
        whose=group.whose,
        what=WHAT if only is not None else f"Mean {WHAT[0].lower()}{WHAT[1:]}",
        answer=roc.mean_area(crossed.truths, crossed.scores, level=truths.level),
        expected=len(group.reads),
        missing=(*found.missing, *crossed.missing),
        points=roc.curve(crossed.truths, only) if only is not None else (),
    )


@dataclass(frozen=True, kw_only=True)
class _Crossed:
    """Cases that all of some readers answered: the truths, and the scores by reader, in the order of the cases."""

    truths: Sequence[bool]
    scores: Sequence[Sequence[float]]
    missing: tuple[Missing, ...]


def _crossed(found: Sorted[ReadRow, Judged], readers: set[ReaderName]) -> _Crossed:
    by_case: dict[int, dict[ReaderName, Judged]] = defaultdict(dict)
    for read, judged in found.taken:
        by_case[read.case][read.reader] = judged
    cases = [one for one in by_case.values() if len(one) == len(readers)]
    left = len(found.taken) - len(cases) * len(readers)
    return _Crossed(
        truths=[next(iter(one.values()))[0] for one in cases],
        scores=[[one[reader][1] for one in cases] for reader in _in_order(readers)],
        missing=(Missing(count=left, reason=NOT_BY_ALL),) if left else (),
    )


def _in_order(readers: set[ReaderName]) -> list[ReaderName]:
    return sorted(readers, key=lambda one: one.key)


def _differences(truths: Truths) -> Iterator[Line]:
    """Aided less unaided; else the first of the endpoint's conditions less each other. All readers, then each."""
    for first, second in groups.compared(truths.rows, truths.endpoint):
        scores = {one: _scores(truths, one) for one in (first, second)}
        readers = {reader for each in scores.values() for _, reader in each}
        for who in (None, *_in_order(readers)):
            yield _difference(truths, scores, who, {who} if who else readers)


Scores = Mapping[tuple[int, ReaderName], Judged]
"""By case and reader."""


def _scores(truths: Truths, condition: str) -> Scores:
    found = truths.suspicions_of_reads(truths.rows.reads_in(condition))
    return {(read.case, read.reader): judged for read, judged in found.taken}


def _difference(truths: Truths, scores: Mapping[str, Scores], who: ReaderName | None, readers: set[ReaderName]) -> Line:
    """Of the two conditions in `scores`, over the cases that all of the readers answered in both."""
    first, second = scores.values()
    both = first.keys() & second.keys()
    cases = sorted({case for case, _ in both if all((case, one) in both for one in readers)})
    ordered = _in_order(readers)
    each = [[[judged[case, one][1] for case in cases] for one in ordered] for judged in (first, second)]
    there = [one for one in truths.rows.reads_in(_names(scores)[0]) if who in (None, one.reader)]
    left = len(there) - len(cases) * len(readers)
    return Line(
        whose=groups.difference_of(truths.rows, *_names(scores), who),
        what=f"Difference of {'mean areas' if len(readers) > 1 else 'areas'}",
        answer=roc.difference([first[case, ordered[0]][0] for case in cases], *each, level=truths.level),
        expected=len(there),
        missing=(Missing(count=left, reason=f"not answered in both, or {NOT_BY_ALL}"),) if left else (),
    )


def _names(scores: Mapping[str, Scores]) -> tuple[str, str]:
    first, second = scores
    return first, second
