"""What a study's numbers are made of, read from the database at once: the same number of queries for any study.

Of the enrolled cases of the pilot, or of the real ones: the reads that were not withdrawn with the answers that count,
the findings that count, the truth that counts, and the comparisons of segmentations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from feedback.form_schema import FormDefinition
from feedback.forms import definition_of
from feedback.models import Form
from inference.models import Finding, Measurement
from studies.cases import truth
from studies.evidence.answers import Given, given
from studies.evidence.arms import Maker, maker_of
from studies.evidence.models import UNDER_WAY, MaskComparison
from studies.evidence.scope import Scope, cases_in
from studies.evidence.shape import ReaderName, TruthUsed
from studies.models import ArmFinding, Case, CaseTruth, Read, ReadResponse


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One enrolled case, and when the first of its exam came."""

    number: int
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReadRow:
    """One read that was not withdrawn. answers: those that count, None before it is submitted.

    seconds, active_seconds: what the first answer took; the time of an amendment is not measured.
    """

    case: int
    reader: ReaderName
    condition: str
    occasion: int
    arms: tuple[str, ...]
    definition: FormDefinition
    answers: Mapping[str, Any] | None
    seconds: float | None
    active_seconds: float | None
    submitted_at: datetime | None

    @cached_property
    def given(self) -> tuple[Given, ...]:
        return tuple(given(self.definition, self.answers or {}))

    def to(self, question: str) -> tuple[Given, ...]:
        """The answers to one question: several where it is asked for each segment or finding."""
        return tuple(one for one in self.given if one.question.key == question)


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a classifier said of a region or of the exam: the most probable label, and the probability of each."""

    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """What an arm says of a case. drawn: primary key of the series of its segmentation; numbers: its measurements."""

    case: int
    arm: str
    pipeline: str
    drawn: int | None
    values: Mapping[str, str]
    labels: tuple[Label, ...]
    numbers: Mapping[str, float]
    made_at: datetime


@dataclass(frozen=True, kw_only=True)
class TruthRow:
    """The truth of a case. drawn: primary key of the series of its segmentation."""

    values: Mapping[str, Any]
    drawn: int | None


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """One structure of two segmentations: Dice, and the volumes of both in ml, None where there is none."""

    structure: str
    dice: float | None
    first_ml: float | None
    second_ml: float | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two segmentations: their structures, or why they could not be compared."""

    overlaps: tuple[Overlap, ...]
    problem: str


@dataclass(frozen=True, kw_only=True)
class StudyRows:
    """Everything of one scope that numbers are made of. findings: by case and arm; comparisons: by both series."""

    scope: Scope
    cases: Mapping[int, CaseRow]
    reads: tuple[ReadRow, ...]
    findings: Mapping[tuple[int, str], FindingRow]
    truths: Mapping[int, TruthRow]
    truth: TruthUsed | None
    comparisons: Mapping[tuple[int, int], Compared]

    def reads_in(self, condition: str, *, occasion: int = 1) -> tuple[ReadRow, ...]:
        return tuple(one for one in self.reads if one.condition == condition and one.occasion == occasion)

    def of_arm(self, arm: str) -> dict[int, FindingRow]:
        """By case."""
        return {case: one for (case, key), one in self.findings.items() if key == arm}

    def makers_shown(self, read: ReadRow) -> str:
        """The pipeline versions whose findings the read shows."""
        found = [self.findings[read.case, arm].pipeline for arm in read.arms if (read.case, arm) in self.findings]
        return ", ".join(dict.fromkeys(one for one in found if one))


def of(scope: Scope) -> StudyRows:
    """The rows of one study's pilot, or of its real cases."""
    cases = {
        case: CaseRow(number=number, received_at=received_at)
        for case, number, received_at in _enrolled(scope).values_list("pk", "number", "exam__received_at")
    }
    used = truth.counting().filter(study=scope.study).first()
    truths = _truths(used.pk, cases) if used else {}
    findings = _findings(scope)
    return StudyRows(
        scope=scope,
        cases=cases,
        reads=tuple(_reads(scope)),
        findings=findings,
        truths=truths,
        truth=TruthUsed(number=used.number, locked_at=used.locked_at, cases=len(truths))
        if used and used.locked_at
        else None,
        comparisons=_comparisons({one.drawn for one in findings.values() if one.drawn is not None}),
    )


def _enrolled(scope: Scope) -> QuerySet[Case]:
    return Case.objects.filter(cases_in(scope), state=Case.State.ENROLLED).order_by("number")


@dataclass(frozen=True)
class _Said:
    """One response to a read."""

    form: int
    answers: Mapping[str, Any]
    seconds: float | None
    active_seconds: float | None


def _reads(scope: Scope) -> Iterable[ReadRow]:
    found = Read.objects.filter(
        cases_in(scope, "case__"), case__state=Case.State.ENROLLED, is_pilot=scope.is_pilot, kind=Read.Kind.READ
    ).exclude(state=Read.State.WITHDRAWN)
    reads = list(found.select_related("reader").defer("draft").order_by("case__number", "reader_id", "position"))
    said = _responses(scope)
    forms = {one.form_id for one in reads} | {one.form for each in said.values() for one in each}
    definitions = {form.pk: definition_of(form) for form in Form.objects.filter(pk__in=forms)}
    names = {
        one.reader_id: ReaderName(
            key=one.reader_id, name=scope.person(one.reader), role=scope.roles.get(one.reader_id, "")
        )
        for one in reads
    }
    return [_read(one, names[one.reader_id], said.get(one.pk, []), definitions) for one in reads]


def _read(read: Read, reader: ReaderName, said: list[_Said], definitions: Mapping[int, FormDefinition]) -> ReadRow:
    return ReadRow(
        case=read.case_id,
        reader=reader,
        condition=read.condition,
        occasion=read.occasion,
        arms=tuple(read.arms),
        definition=definitions[said[-1].form if said else read.form_id],
        answers=said[-1].answers if said else None,
        seconds=said[0].seconds if said else None,
        active_seconds=said[0].active_seconds if said else None,
        submitted_at=read.submitted_at,
    )


def _responses(scope: Scope) -> dict[UUID, list[_Said]]:
    """By read, the first and then each amendment."""
    found = ReadResponse.objects.filter(cases_in(scope, "read__case__"), read__is_pilot=scope.is_pilot)
    ordered = found.order_by("response__submitted_at", "pk").values_list(
        "read_id", "response__form_id", "response__answers", "response__seconds", "response__active_seconds"
    )
    said: dict[UUID, list[_Said]] = defaultdict(list)
    for read, *about in ordered:
        said[read].append(_Said(*about))
    return said


def _findings(scope: Scope) -> dict[tuple[int, str], FindingRow]:
    counting = ArmFinding.objects.filter(
        cases_in(scope, "case__"), case__state=Case.State.ENROLLED, replaced_at=None
    ).select_related("result__job__pipeline")
    findings = list(counting.defer("result__job__log", "result__job__pipeline__definition").order_by("pk"))
    results = {one.result_id for one in findings if one.result_id is not None}
    labels, numbers = _labels(results), _numbers(results)
    return {
        (one.case_id, one.arm): FindingRow(
            case=one.case_id,
            arm=one.arm,
            pipeline=in_words(maker_of(one.result)),
            drawn=one.series_id or (one.result.segmentation_id if one.result else None),
            values=one.values,
            labels=tuple(labels.get(one.result_id, ())),
            numbers=numbers.get(one.result_id, {}),
            made_at=one.result.created_at if one.result else one.added_at,
        )
        for one in findings
    }


def in_words(maker: Maker) -> str:
    """The version of a pipeline as evidence names it; empty where no pipeline of ours made it."""
    return f"{maker.pipeline} {maker.version} ({maker.digest[:12]})" if maker.pipeline else ""


def _labels(results: set[UUID]) -> dict[UUID | None, list[Label]]:
    found: dict[UUID | None, list[Label]] = defaultdict(list)
    rows = Finding.objects.filter(result__in=results).order_by("pk")
    for result, label, probabilities in rows.values_list("result_id", "label", "probabilities"):
        found[result].append(Label(label=label, probabilities=probabilities))
    return found


def _numbers(results: set[UUID]) -> dict[UUID | None, dict[str, float]]:
    found: dict[UUID | None, dict[str, float]] = defaultdict(dict)
    rows = Measurement.objects.filter(result__in=results)
    for result, name, value in rows.values_list("result_id", "name", "value"):
        found[result][name] = value
    return found


def _truths(version: int, cases: Mapping[int, CaseRow]) -> dict[int, TruthRow]:
    rows = CaseTruth.objects.filter(version=version).values_list("case_id", "values", "series_id")
    return {case: TruthRow(values=values, drawn=drawn) for case, values, drawn in rows if case in cases}


def _comparisons(drawn: set[int]) -> dict[tuple[int, int], Compared]:
    rows = MaskComparison.objects.filter(first__in=drawn).exclude(problem=UNDER_WAY).prefetch_related("structures")
    return {
        (one.first_id, one.second_id): Compared(
            overlaps=tuple(
                Overlap(structure=each.structure, dice=each.dice, first_ml=each.first_ml, second_ml=each.second_ml)
                for each in one.structures.all()
            ),
            problem=one.problem,
        )
        for one in rows
    }
