"""The checks by people before readers saw a case."""

from __future__ import annotations

from collections.abc import Iterator

from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import QCReview

_AT_ONCE = 500

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether the case belongs to the pilot", "flag"),
    column("case", "Number of the case", "whole"),
    column("exam", "Pseudonym of the case's exam", "key"),
    column("round", "The case's round of quality control", "whole"),
    column("is_last_round", "Whether the case had no later round: verdicts of earlier ones no longer count", "flag"),
    column("reviewer", "Who checked it: a pseudonym or a user name, as the protocol has it", "key"),
    column("verdict", "`accept` or `reject`", "key"),
    column("reason", "Of the study's list, why it was rejected"),
    column("note", "What the reviewer wrote besides"),
    column("active_seconds", "In which the case was in front and its reviewer not idle", "number", "s"),
    column("open_seconds", "From when the case was given out to the verdict", "number", "s"),
    column("reviewed_at", "When", "time"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By case and time."""
    found = QCReview.objects.filter(cases_in(scope, "case__")).select_related("case__exam", "reviewer")
    for one in found.order_by("case__number", "reviewed_at", "pk").iterator(chunk_size=_AT_ONCE):
        yield {
            "study": scope.study.slug,
            "is_pilot": one.case.is_pilot,
            "case": one.case.number,
            "exam": scope.exam(one.case.exam),
            "round": one.round,
            "is_last_round": one.round == one.case.qc_round,
            "reviewer": scope.person(one.reviewer, called="Reviewer"),
            "verdict": one.verdict,
            "reason": one.reason,
            "note": scope.free(one.note, one.case.exam),
            "active_seconds": one.active_seconds,
            "open_seconds": one.open_seconds,
            "reviewed_at": one.reviewed_at,
        }


QUALITY = Table(
    file="quality.csv",
    title="Quality control",
    one_row="One verdict of one reviewer on one case. A reviewer's newest in the last round counts.",
    columns=COLUMNS,
    rows=rows,
)
