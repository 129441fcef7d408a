"""The list behind every number of the flow: received exams with their cases, filtered, searched, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from django.db.models import Count, F, Q, QuerySet
from django.urls import reverse

from studies.cases.flow import FlowBox
from studies.cases.flow_diagram import Link
from studies.models import Read, Screening, Study

T = TypeVar("T", bound=StrEnum)


class Kind(StrEnum):
    """Real and pilot cases are never mixed, but where somebody asks for all."""

    ALL = "all"
    REAL = "real"
    PILOT = "pilot"

    @property
    def label(self) -> str:
        return {Kind.ALL: "Real and pilot", Kind.REAL: "Real cases", Kind.PILOT: "Pilot cases"}[self]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is asked for. criterion: of the box excluded or undecided, that which decided."""

    box: FlowBox = FlowBox.MATCHED
    kind: Kind = Kind.ALL
    criterion: str = ""
    search: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Filters:
        """The filters in an address; what is not known is left out."""
        return cls(
            box=_member(FlowBox, asked.get("box"), FlowBox.MATCHED),
            kind=_member(Kind, asked.get("cases"), Kind.ALL),
            criterion=asked.get("criterion", ""),
            search=asked.get("q", "").strip()[:100],
        )

    @property
    def query(self) -> str:
        """For addresses, to be followed by another parameter."""
        asked = {"box": self.box.value, "cases": self.kind.value, "criterion": self.criterion, "q": self.search}
        return f"{urlencode({name: value for name, value in asked.items() if value})}&"


def from_flow(study: Study, kind: Kind) -> Link:
    """From each number of the flow to its list."""
    cases = reverse("study-cases", args=[study.slug])

    def link(box: FlowBox, criterion: str) -> str:
        asked = {"box": box.value, "cases": kind.value} | ({"criterion": criterion} if criterion else {})
        return f"{cases}?{urlencode(asked)}"

    return link


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How many reads of a case are done, of how many."""

    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Row:
    """A row of the list."""

    screening: Screening
    reading: Reading


def found(study: Study, filters: Filters, *, shows_patients: bool) -> QuerySet[Screening]:
    """The screenings that the filters let through, by number of the case, those without one last.

    The search looks at the case's number, the accession number and, where patients are shown, their ID and name.
    """
    rows = filters.box.cases(study)
    if filters.kind != Kind.ALL:
        rows = rows.filter(is_pilot=filters.kind == Kind.PILOT)
    if filters.criterion:
        rows = rows.filter(criterion=filters.criterion)
    if filters.search:
        rows = rows.filter(_searched(filters.search, shows_patients=shows_patients))
    return (
        rows.select_related("exam", "case", "protocol")
        .defer("protocol__document", "verdicts")
        .order_by(F("case__number").asc(nulls_last=True), "pk")
    )


def rows_of(screenings: Sequence[Screening]) -> list[Row]:
    """The rows of one page, with how far each case is read. One query."""
    cases = [one.case.pk for one in screenings if hasattr(one, "case")]
    counted = (
        Read.objects.filter(case__in=cases)
        .exclude(state=Read.State.WITHDRAWN)
        .order_by()
        .values_list("case_id")
        .annotate(total=Count("pk"), done=Count("pk", filter=Q(state=Read.State.SUBMITTED)))
    )
    reading = {case: Reading(done=done, total=total) for case, total, done in counted}
    return [Row(one, reading.get(one.case.pk, Reading()) if hasattr(one, "case") else Reading()) for one in screenings]


def _searched(text: str, *, shows_patients: bool) -> Q:
    wanted = Q(exam__accession_number__istartswith=text) | Q(exam__study_instance_uid=text)
    if text.isdecimal() and len(text) < 10:
        wanted |= Q(case__number=int(text))
    if shows_patients:
        wanted |= Q(exam__patient_id__istartswith=text) | Q(exam__patient_name__icontains=text)
    return wanted


def _member(of: type[T], value: str | None, default: T) -> T:
    return of(value) if value in list(of) else default
