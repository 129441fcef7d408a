"""How long reading took, and how long a case took from its arrival to its first read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from django.db.models import F, Max

from studies.evidence import groups
from studies.evidence.groups import NO_FINDING, NOT_SUBMITTED, Left, sort_out
from studies.evidence.scope import cases_in
from studies.evidence.shape import EndpointEvidence, Line, Whose
from studies.evidence.study_rows import FindingRow, ReadRow, StudyRows
from studies.models import QCReview
from studies.protocols.protocol_schema import Endpoint, PipelineFindings
from studies.statistics.estimate import LEVEL
from studies.statistics.times import duration

Moments = Mapping[int, datetime]
"""By case."""
EARLIER = "the later one came first"


def of(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """Reading times in the endpoint's conditions; where nobody reads, the time to the result."""
    level = 1 - endpoint.alpha
    if not rows.scope.content.is_read:
        return EndpointEvidence(endpoint=endpoint, lines=tuple(_to_results(rows, groups_named(rows, endpoint), level)))
    lines = tuple(_reading(rows, groups.conditions(rows, endpoint), level))
    return EndpointEvidence(endpoint=endpoint, lines=lines)


def reading_times(rows: StudyRows) -> Iterator[Line]:
    """The median time of a read, active and from its opening, by condition and reader."""
    yield from _reading(rows, groups.conditions(rows), LEVEL)


def turnaround(rows: StudyRows) -> Iterator[Line]:
    """From the exam's arrival to each pipeline's result, to QC's decision, to the first read. Two queries."""
    results = {arm: _made(rows.of_arm(arm)) for arm in _pipeline_arms(rows)}
    yield from _to_results(rows, tuple(results), LEVEL)
    checked, read = _checked(rows), _first_reads(rows.reads)
    last = {case: max(one[case] for one in results.values()) for case in _common(results.values())}
    content = rows.scope.content
    if content.quality_control.required:
        yield _step(rows, "Last result to QC's last verdict", last, checked, "QC has not looked at it yet")
    if content.is_read:
        before, what = (checked, "QC's last verdict") if content.quality_control.required else (last, "Last result")
        if content.quality_control.required or results:
            yield _step(rows, f"{what} to the first submitted read", before, read, "nobody has read it yet")
        yield _step(rows, "Received to the first submitted read", _received(rows), read, "nobody has read it yet")


def groups_named(rows: StudyRows, endpoint: Endpoint) -> tuple[str, ...]:
    """The endpoint's arms that a pipeline of ours speaks for, or all of those."""
    arms = _pipeline_arms(rows)
    return tuple(arm for arm in endpoint.arms or arms if arm in arms)


def _reading(rows: StudyRows, conditions: Iterable[str], level: float) -> Iterator[Line]:
    for condition in conditions:
        for group in groups.of_reads(rows, condition):
            for what, take in (("Active reading time", _active), ("Time from opening to submitting", _open)):
                found = sort_out(group.reads, take)
                yield Line(
                    whose=group.whose,
                    what=what,
                    answer=duration(found.values, what="reading times", level=level),
                    unit="s",
                    expected=len(group.reads),
                    missing=found.missing,
                )


def _active(read: ReadRow) -> float | Left:
    return _measured(read, read.active_seconds)


def _open(read: ReadRow) -> float | Left:
    return _measured(read, read.seconds)


def _measured(read: ReadRow, seconds: float | None) -> float | Left:
    if read.answers is None:
        return Left(NOT_SUBMITTED)
    return Left("nobody measured it") if seconds is None else seconds


def _pipeline_arms(rows: StudyRows) -> tuple[str, ...]:
    return tuple(arm.key for arm in rows.scope.content.arms if isinstance(arm.findings, PipelineFindings))


def _to_results(rows: StudyRows, arms: Iterable[str], level: float) -> Iterator[Line]:
    for arm in arms:
        for group in groups.of_findings(rows, arm):
            made = {case: found.made_at for case, found in group.cases if found is not None}
            cases = [case for case, _ in group.cases]
            yield _line(
                group.whose, "Received to result", cases, _between(_received(rows), made, NO_FINDING), level=level
            )


def _step(rows: StudyRows, what: str, first: Moments, then: Moments, not_yet: str) -> Line:
    return _line(Whose(), what, rows.cases, _between(first, then, not_yet), level=LEVEL)


def _between(first: Moments, then: Moments, not_yet: str) -> Callable[[int], float | Left]:
    def take(case: int) -> float | Left:
        if case not in first or case not in then:
            return Left(not_yet if case not in then else "the step before it is not done")
        passed = (then[case] - first[case]).total_seconds()
        return Left(EARLIER) if passed < 0 else passed

    return take


def _line(whose: Whose, what: str, cases: Iterable[int], take: Callable[[int], float | Left], *, level: float) -> Line:
    among = list(cases)
    found = sort_out(among, take)
    answer = duration(found.values, what="times", level=level)
    return Line(whose=whose, what=what, answer=answer, unit="s", expected=len(among), missing=found.missing)


def _received(rows: StudyRows) -> Moments:
    return {case: one.received_at for case, one in rows.cases.items()}


def _made(findings: Mapping[int, FindingRow]) -> Moments:
    return {case: one.made_at for case, one in findings.items()}


def _common(of_arms: Iterable[Moments]) -> set[int]:
    each = [set(one) for one in of_arms]
    return set.intersection(*each) if each else set()


def _checked(rows: StudyRows) -> Moments:
    """When the last verdict of the present round came. One query."""
    reviews = QCReview.objects.filter(cases_in(rows.scope, "case__"), round=F("case__qc_round")).order_by()
    return dict(reviews.values_list("case_id").annotate(last=Max("reviewed_at")))


def _first_reads(reads: Iterable[ReadRow]) -> Moments:
    found: dict[int, datetime] = {}
    for read in reads:
        if read.submitted_at is not None:
            found[read.case] = min(read.submitted_at, found.get(read.case, read.submitted_at))
    return found
