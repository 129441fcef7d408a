"""A table of an export: its columns, each with what it means, and its rows, written as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Literal

from studies.evidence.cells import Value, written
from studies.evidence.scope import Scope

ColumnType = Literal["key", "text", "number", "whole", "flag", "time", "digest", "value"]
"""`key`: one of a fixed set of words; `value`: whatever the row's other columns say that it is."""
Row = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its name in the file, what it is in words, its type, and the unit of its numbers."""

    name: str
    meaning: str
    type: ColumnType = "text"
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One file of the export. one_row: what a row is. rows: made from the study's rows, in an order of their own."""

    file: str
    title: str
    one_row: str
    columns: tuple[Column, ...]
    rows: Callable[[Scope], Iterable[Row]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file that was written: its name, how many rows it has under its head, its size in bytes and its digest."""

    file: str
    rows: int
    size: int
    sha256: str


def column(name: str, meaning: str, kind: ColumnType = "text", unit: str = "") -> Column:
    """A column, in the order in which one thinks of it."""
    return Column(name=name, meaning=meaning, type=kind, unit=unit)


def write(table: Table, scope: Scope, to: IO[bytes]) -> Written:
    """Write the table into `to`, row by row as they come. Raises KeyError for a row that has not just the columns."""
    digest, written_lines, size = hashlib.sha256(), 0, 0
    for line in lines(table, scope):
        size += to.write(line)
        digest.update(line)
        written_lines += 1
    return Written(file=table.file, rows=written_lines - 1, size=size, sha256=digest.hexdigest())


def lines(table: Table, scope: Scope) -> Iterator[bytes]:
    """The head and each row as UTF-8, ended as RFC 4180 has it."""
    yield _line(table.names)
    for row in table.rows(scope):
        if len(row) != len(table.columns):
            raise KeyError(f"a row of {table.file} has other columns: {sorted(set(row) ^ set(table.names))}")
        yield _line(written(row[name]) for name in table.names)


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
