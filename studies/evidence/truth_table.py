"""The reference standard: of its newest locked version alone, since what is not locked is no truth yet."""

from __future__ import annotations

from collections.abc import Iterator

from studies.cases import truth
from studies.evidence.cells import Value
from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import CaseTruth

_AT_ONCE = 500

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether the case belongs to the pilot", "flag"),
    column("case", "Number of the case", "whole"),
    column("exam", "Pseudonym of the case's exam", "key"),
    column("kind", "`value`, or `segmentation` where the truth is a series", "key"),
    column("name", "What of the case it says, as the protocol calls it; a series' modality", "key"),
    column("value", "The truth", "value"),
    column("truth_version", "Version of the reference standard", "whole"),
    column("source", "Where that version came from", "key"),
    column("locked_at", "When it was locked", "time"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By case and name; none while no version is locked."""
    found = CaseTruth.objects.filter(
        cases_in(scope, "case__"), version__in=truth.counting().filter(study=scope.study).values("pk")
    )
    for one in (
        found.select_related("case__exam", "version", "series").order_by("case__number").iterator(chunk_size=_AT_ONCE)
    ):
        for values in _values(one, scope):
            yield _about(one, scope) | values


def _about(one: CaseTruth, scope: Scope) -> dict[str, Value]:
    return {
        "study": scope.study.slug,
        "is_pilot": one.case.is_pilot,
        "case": one.case.number,
        "exam": scope.exam(one.case.exam),
        "truth_version": one.version.number,
        "source": one.version.source,
        "locked_at": one.version.locked_at,
    }


def _values(one: CaseTruth, scope: Scope) -> Iterator[dict[str, Value]]:
    exam = one.case.exam
    for name, value in sorted(one.values.items()):
        said = scope.free(value, exam) if isinstance(value, str) else value
        yield {"kind": "value", "name": name, "value": said}
    if one.series is not None:
        description = scope.free(one.series.series_description, exam)
        yield {"kind": "segmentation", "name": one.series.modality, "value": description}


TRUTH = Table(
    file="truth.csv",
    title="Reference standard",
    one_row="One thing that the newest locked version of the truth says of one case.",
    columns=COLUMNS,
    rows=rows,
)
