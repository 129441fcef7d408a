"""Rows of an uploaded table find their cases: by accession number, StudyInstanceUID or case number."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.timezone import now

from portal.models import User
from studies.cases import tables, truth_words
from studies.cases.tables import LineError, Row, Table, TableUnreadable
from studies.models import Case, OutsideTable, Study
from studies.refusals import Refused

KEYS = {
    "AccessionNumber": ("AccessionNumber", "Accession", "Accession No"),
    "StudyInstanceUID": ("StudyInstanceUID", "StudyUID", "Study Instance UID"),
    "CaseNumber": ("Case", "CaseNumber", "Case No"),
}
"""The keys by which rows are matched, each with what its column may be called."""


@dataclass(frozen=True)
class MatchedRow:
    """A row and its case. values: as they stand in the table; of the truth's, as they are kept."""

    line: int
    case: Case
    values: Mapping[str, Any]

    @property
    def words(self) -> list[str]:
        return [truth_words.said(value) for value in self.values.values()]


@dataclass(frozen=True, kw_only=True)
class RowsOfCases:
    """The rows of a table that find a case, several of one maybe. values: by the table's own columns."""

    table: Table
    key: str
    cases: tuple[Case, ...]
    rows: tuple[MatchedRow, ...]
    unmatched: tuple[LineError, ...]
    errors: tuple[LineError, ...]


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What becomes of each line of a table. Only `matched` are taken; of a case that is there twice neither line is."""

    table: Table
    key: str
    columns: tuple[str, ...]
    matched: tuple[MatchedRow, ...]
    unmatched: tuple[LineError, ...]
    duplicates: tuple[LineError, ...]
    errors: tuple[LineError, ...]
    without_row: tuple[Case, ...]

    @property
    def refused(self) -> int:
        return len(self.unmatched) + len(self.duplicates) + len(self.errors)


def upload(study: Study, *, arm: str, name: str, content: bytes, by: User) -> OutsideTable:
    """Put the file aside to be looked at, in the place of what the same person put aside and did not keep.

    Raises TableUnreadable.
    """
    tables.read(content)
    OutsideTable.objects.filter(study=study, arm=arm, uploaded_by=by, kept_at=None).delete()
    return OutsideTable.objects.create(
        study=study,
        arm=arm,
        file_name=name[:200],
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        uploaded_by=by,
    )


def match(study: Study, content: bytes, *, keys: Sequence[str], columns: Sequence[str]) -> Matching:
    """What the table says of which case. keys: by which rows are matched, the first that the table has.

    columns: those that are taken; none for all but the key. Two queries. Raises TableUnreadable, also for a table that
    lacks a column.
    """
    table = tables.read(content)
    key, key_column = _key(table, keys)
    wanted = _columns(table, columns, but=key_column)
    cases = _cases(study, key)
    by_case: dict[int, list[MatchedRow]] = defaultdict(list)
    unmatched: list[LineError] = []
    errors = list(table.errors)
    for row in table.rows:
        found = cases.get(row.values[key_column], [])
        if missing := _missing(row, key_column, wanted):
            errors.append(LineError(row.line, f"{missing} is empty."))
        elif len(found) == 1:
            values = {name: row.values[column] for name, column in wanted.items()}
            by_case[found[0].pk].append(MatchedRow(row.line, found[0], values))
        else:
            unmatched.append(LineError(row.line, _why_unmatched(key, row.values[key_column], found)))
    once = [rows[0] for rows in by_case.values() if len(rows) == 1]
    return Matching(
        table=table,
        key=key,
        columns=tuple(wanted),
        matched=tuple(once),
        unmatched=tuple(unmatched),
        duplicates=tuple(_duplicates(by_case)),
        errors=tuple(sorted(errors, key=lambda error: error.line)),
        without_row=tuple(case for each in cases.values() for case in each if case.pk not in by_case),
    )


def rows_of(study: Study, content: bytes, *, keys: Sequence[str]) -> RowsOfCases:
    """Every row of the table with its case, where a case may have several rows. Two queries. Raises TableUnreadable."""
    table = tables.read(content)
    key, key_column = _key(table, keys)
    cases = _cases(study, key)
    rows: list[MatchedRow] = []
    unmatched: list[LineError] = []
    for row in table.rows:
        found = cases.get(row.values[key_column], [])
        if len(found) == 1:
            rows.append(MatchedRow(row.line, found[0], row.values))
        else:
            unmatched.append(LineError(row.line, _why_unmatched(key, row.values[key_column], found)))
    return RowsOfCases(
        table=table,
        key=key,
        cases=tuple(case for each in cases.values() for case in each),
        rows=tuple(rows),
        unmatched=tuple(unmatched),
        errors=table.errors,
    )


def kept(table: OutsideTable) -> OutsideTable:
    """Mark the table as taken, for good. Raises Refused when it was taken before."""
    if not OutsideTable.objects.filter(pk=table.pk, kept_at=None).update(kept_at=now()):
        raise Refused(f"{table.file_name} was taken already.")
    return table


def _key(table: Table, keys: Sequence[str]) -> tuple[str, str]:
    for key in keys:
        if column := table.column(*KEYS[key]):
            return key, column
    expected = " or ".join(keys)
    raise TableUnreadable(
        f"The table has no column {expected}, so its rows find no case. It has {', '.join(table.columns)}."
    )


def _columns(table: Table, columns: Sequence[str], *, but: str) -> dict[str, str]:
    """The columns that are taken, by the name under which they are."""
    if not columns:
        return {column: column for column in table.columns if column != but}
    found = {name: table.column(name) for name in columns}
    if missing := [name for name, column in found.items() if column is None]:
        raise TableUnreadable(f"The table lacks {', '.join(missing)}. It has {', '.join(table.columns)}.")
    return {name: column for name, column in found.items() if column is not None}


def _cases(study: Study, key: str) -> dict[str, list[Case]]:
    cases: dict[str, list[Case]] = defaultdict(list)
    for case in Case.objects.filter(study=study).exclude(state=Case.State.EXCLUDED).select_related("exam"):
        if value := _value(case, key):
            cases[value].append(case)
    return cases


def _value(case: Case, key: str) -> str:
    if key == "CaseNumber":
        return str(case.number)
    return case.exam.accession_number if key == "AccessionNumber" else case.exam.study_instance_uid


def _missing(row: Row, key_column: str, wanted: Mapping[str, str]) -> str:
    return next((column for column in (key_column, *wanted.values()) if not row.values[column]), "")


def _why_unmatched(key: str, value: str, found: Sequence[Case]) -> str:
    if not found:
        return f"No case of this study has {key} {value}."
    return f"{len(found)} cases have {key} {value}. Match the table by StudyInstanceUID."


def _duplicates(by_case: Mapping[int, list[MatchedRow]]) -> list[LineError]:
    doubled = [rows for rows in by_case.values() if len(rows) > 1]
    return sorted(
        (
            LineError(row.line, f"Case {row.case.number} is also on line {_others(rows, row)}. Leave one of them.")
            for rows in doubled
            for row in rows
        ),
        key=lambda error: error.line,
    )


def _others(rows: Sequence[MatchedRow], row: MatchedRow) -> str:
    return ", ".join(str(other.line) for other in rows if other is not row)
