"""The reads of a study, done and not done, with the time that each took."""

from __future__ import annotations

from collections.abc import Iterator

from studies.evidence import arms
from studies.evidence.arms import BETWEEN
from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import Read

_AT_ONCE = 500

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether the read belongs to the pilot", "flag"),
    column("case", "Number of the case", "whole"),
    column("exam", "Pseudonym of the case's exam", "key"),
    column("read", "The read, as in the table of responses", "key"),
    column("read_kind", "`read`, `adjudication`, `panel` or `annotation`", "key"),
    column("reader", "Whose it is: a pseudonym or a user name, as the protocol has it", "key"),
    column("reader_role", "The protocol's kind of reader, such as expert, that the reader has"),
    column("condition", "What tells the reader's reads of the case apart", "key"),
    column("arm", "Keys of the arms shown, in their order, `|` between; images alone: the reader's own", "key"),
    column("occasion", "1, or 2 for a read that was repeated", "whole"),
    column("position", "Place in the reader's order", "whole"),
    column("state", "`assigned`, `opened`, `submitted` or `withdrawn`", "key"),
    column("withdrawal", "Why it was withdrawn", "key"),
    column("assigned_at", "When it was dealt out", "time"),
    column("due_at", "When it was expected", "time"),
    column("opened_at", "When it was first opened", "time"),
    column("submitted_at", "When it was first submitted", "time"),
    column("seconds", "From opening to submitting", "number", "s"),
    column("active_seconds", "Those in which the page was in front and its reader not idle", "number", "s"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By case, kind, condition, occasion and reader; withdrawn ones too."""
    found = Read.objects.filter(cases_in(scope, "case__"), is_pilot=scope.is_pilot)
    ordered = found.order_by("case__number", "kind", "condition", "occasion", "reader_id", "pk")
    for read in ordered.select_related("case__exam", "reader").iterator(chunk_size=_AT_ONCE):
        yield {
            "study": scope.study.slug,
            "is_pilot": read.is_pilot,
            "case": read.case.number,
            "exam": scope.exam(read.case.exam),
            "read": str(read.pk),
            "read_kind": read.kind,
            "reader": scope.person(read.reader),
            "reader_role": scope.roles.get(read.reader_id, ""),
            "condition": read.condition,
            "arm": BETWEEN.join(arms.arms_of_read(read, scope)),
            "occasion": read.occasion,
            "position": read.position,
            "state": read.state,
            "withdrawal": read.withdrawal,
            "assigned_at": read.assigned_at,
            "due_at": read.due_at,
            "opened_at": read.opened_at,
            "submitted_at": read.submitted_at,
            "seconds": _seconds(read),
            "active_seconds": read.active_seconds if read.state == Read.State.SUBMITTED else None,
        }


def _seconds(read: Read) -> float | None:
    if read.opened_at is None or read.submitted_at is None:
        return None
    return (read.submitted_at - read.opened_at).total_seconds()


READS = Table(
    file="reads.csv",
    title="Reads and reading times",
    one_row="One reader's sitting with one case, done or not.",
    columns=COLUMNS,
    rows=rows,
)
