"""What readers measured in the viewer and saved with their reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from studies.evidence import arms
from studies.evidence.arms import BETWEEN
from studies.evidence.cells import Value
from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import ReadReport

_AT_ONCE = 200

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether the read belongs to the pilot", "flag"),
    column("case", "Number of the case", "whole"),
    column("exam", "Pseudonym of the case's exam", "key"),
    column("read", "The read, as in the table of responses", "key"),
    column("arm", "Keys of the arms shown, in their order, `|` between; images alone: the reader's own", "key"),
    column("reader", "Who measured: a pseudonym or a user name, as the protocol has it", "key"),
    column("reader_role", "The protocol's kind of reader, such as expert, that the reader has"),
    column("report", "What was saved at once; its drawings have it in common", "key"),
    column("counts", "Whether it is the read's newest; the viewer sends all that is drawn each time", "flag"),
    column("drawing", "Number of the drawing in what was saved, from 1", "whole"),
    column("finding", "What was measured, as the viewer says"),
    column("site", "Where, as the viewer says"),
    column("label", "What the reader called it"),
    column("name", "What of it was measured, such as its length"),
    column("value", "The value; empty for a drawing without one", "number"),
    column("unit", "Its unit (UCUM)"),
    column("made_at", "When it was saved", "time"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By case, read and time, in the order in which they were drawn."""
    found = ReadReport.objects.filter(cases_in(scope, "read__case__"), read__is_pilot=scope.is_pilot)
    ordered = found.order_by("read__case__number", "read_id", "-made_at", "-pk")
    last: object = None
    for one in ordered.select_related("read__case__exam", "read__reader").iterator(chunk_size=_AT_ONCE):
        about = _about(one, scope) | {"counts": one.read_id != last}
        last = one.read_id
        for number, drawn in enumerate(one.measurements, start=1):
            for values in _values(drawn, one, scope):
                yield about | {"drawing": number} | values


def _about(one: ReadReport, scope: Scope) -> dict[str, Value]:
    read = one.read
    return {
        "study": scope.study.slug,
        "is_pilot": read.is_pilot,
        "case": read.case.number,
        "exam": scope.exam(read.case.exam),
        "read": str(read.pk),
        "arm": BETWEEN.join(arms.arms_of_read(read, scope)),
        "reader": scope.person(read.reader),
        "reader_role": scope.roles.get(read.reader_id, ""),
        "report": str(one.pk),
        "made_at": one.made_at,
    }


def _values(drawn: Mapping[str, Any], one: ReadReport, scope: Scope) -> Iterator[dict[str, Value]]:
    exam = one.read.case.exam
    said: dict[str, Value] = {key: scope.free(str(drawn.get(key, "")), exam) for key in ("finding", "site", "label")}
    for measured in drawn.get("values") or [{}]:
        yield said | {
            "name": scope.free(str(measured.get("name", "")), exam),
            "value": measured.get("value"),
            "unit": str(measured.get("unit", "")),
        }


MEASUREMENTS = Table(
    file="measurements.csv",
    title="What readers measured in the viewer",
    one_row="One value of one drawing that a reader saved with a read.",
    columns=COLUMNS,
    rows=rows,
)
