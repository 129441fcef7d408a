"""Endpoints of what readers think: scores, and which of several findings they prefer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from feedback.questions import Scale
from studies.evidence import groups
from studies.evidence.groups import NOT_SUBMITTED, Left, ReadGroup, sort_out
from studies.evidence.meaning import NOT_ANSWERED, number, plain
from studies.evidence.shape import EndpointEvidence, Line, Missing, ReaderName
from studies.evidence.study_rows import ReadRow, StudyRows
from studies.protocols.design_schema import Preference
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.means import mean
from studies.statistics.proportions import proportion

SIDES: Mapping[str, int] = {
    name: place
    for place, names in enumerate((("left", "first", "a", "1"), ("right", "second", "b", "2"), ("third", "c", "3")))
    for name in names
}
"""What an answer may call the findings that are shown side by side, by their place."""
NO_QUESTION = "The endpoint names no question whose answers are its scores."
NEITHER = ""


def scores(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """The mean score by reader and arm, and the mean of the differences between arms for the same case and reader."""
    if not endpoint.question:
        return EndpointEvidence(endpoint=endpoint, reason=NO_QUESTION)
    level = 1 - endpoint.alpha
    lines = []
    for condition in groups.conditions(rows, endpoint):
        for group in groups.of_reads(rows, condition):
            found = sort_out(group.reads, lambda one: _score(one, endpoint.question))
            lines.append(
                Line(
                    whose=group.whose,
                    what="Mean score",
                    answer=mean(found.values, within=_range(rows, endpoint.question), what="scores", level=level),
                    unit="points",
                    expected=len(group.reads),
                    missing=found.missing,
                )
            )
    return EndpointEvidence(
        endpoint=endpoint,
        lines=tuple(lines),
        differences=tuple(_differences(rows, endpoint, level)),
        notes=("The score of a read is the mean of its parts, where it is asked for several.",),
    )


def preferences(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """How often each arm is preferred, of the reads that prefer one; and how often none is."""
    design = rows.scope.content.design
    if not isinstance(design, Preference):
        return EndpointEvidence(endpoint=endpoint, reason="The design shows no findings side by side.")
    lines = [line for group in groups.of_reads(rows, "preference") for line in _preferred(rows, endpoint, group)]
    note = "Left, first, A and 1 are the first of the findings as they were shown; an answer that names none is a tie."
    return EndpointEvidence(endpoint=endpoint, lines=tuple(lines), notes=(note,))


def _preferred(rows: StudyRows, endpoint: Endpoint, group: ReadGroup) -> Iterator[Line]:
    found = sort_out(group.reads, lambda one: _arm_preferred(one, endpoint.question))
    decided = [one for one in found.values if one != NEITHER]
    level = 1 - endpoint.alpha
    ties = Missing(count=len(found.values) - len(decided), reason="no finding was preferred")
    for arm in rows.scope.content.design.arms_named:
        yield Line(
            whose=replace(group.whose, arm=arm, arm_label=rows.scope.arms.get(arm, arm)),
            what="Preferred",
            answer=proportion(decided.count(arm), len(decided), what="reads that prefer one", level=level),
            expected=len(group.reads),
            missing=(*found.missing, *((ties,) if ties.count else ())),
        )
    yield Line(
        whose=group.whose,
        what="None preferred",
        answer=proportion(ties.count, len(found.values), what="reads with an answer", level=level),
        expected=len(group.reads),
        missing=found.missing,
    )


def _arm_preferred(read: ReadRow, question: str) -> str | Left:
    """Key of the arm; empty where none is preferred."""
    if read.answers is None:
        return Left(NOT_SUBMITTED)
    said = read.to(question)
    if not said:
        return Left(NOT_ANSWERED)
    value = plain(said[0].value)
    if value in read.arms:
        return value
    place = SIDES.get(value, len(read.arms))
    return read.arms[place] if place < len(read.arms) else NEITHER


def _score(read: ReadRow, question: str) -> float | Left:
    if read.answers is None:
        return Left(NOT_SUBMITTED)
    said = read.to(question)
    values = [value for one in said if (value := number(one.value)) is not None]
    if not said:
        return Left(NOT_ANSWERED)
    return sum(values) / len(values) if len(values) == len(said) else Left("the answer is no number")


def _range(rows: StudyRows, question: str) -> tuple[float, float] | None:
    """The least and the most that can be answered."""
    asked = next((one.question for read in rows.reads for one in read.to(question)), None)
    return (asked.minimum, asked.maximum) if isinstance(asked, Scale) else None


def _differences(rows: StudyRows, endpoint: Endpoint, level: float) -> Iterator[Line]:
    """Aided less unaided; else the endpoint's first arm less each other one. All readers together, then each."""
    for first, second in groups.compared(rows, endpoint):
        both = {one: _scored(rows, one, endpoint.question) for one in (first, second)}
        paired = sorted(both[first].keys() & both[second].keys(), key=lambda one: (one[1].key, one[0]))
        apart = {key: both[first][key] - both[second][key] for key in paired}
        each = [(who, [apart[key] for key in keys]) for who, keys in groupby(paired, key=lambda one: one[1])]
        everyone: list[tuple[ReaderName | None, list[float]]] = [(None, list(apart.values()))]
        for who, values in [*everyone, *each]:
            expected = sum(who in (None, one.reader) for one in rows.reads_in(first))
            left = expected - len(values)
            yield Line(
                whose=groups.difference_of(rows, first, second, who),
                what="Mean difference of scores",
                answer=mean(values, what="cases that a reader scored in both", level=level),
                unit="points",
                expected=expected,
                missing=(Missing(count=left, reason="not scored in both by the reader"),) if left else (),
            )


def _scored(rows: StudyRows, condition: str, question: str) -> dict[tuple[int, ReaderName], float]:
    found = sort_out(rows.reads_in(condition), lambda one: _score(one, question))
    return {(read.case, read.reader): score for read, score in found.taken}
