"""Tables that people upload as CSV, as they come out of other systems: any usual encoding, delimiter and quoting."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LARGEST = 20 * 1024 * 1024
MOST_ROWS = 100_000
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class TableUnreadable(Exception):
    """The file is no table that could be read; the message says why, and what to do."""


@dataclass(frozen=True)
class Row:
    """One row: the line of the file on which it begins, and its values by column, stripped."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True)
class LineError:
    """What is wrong with one line."""

    line: int
    what: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was read. `errors` are lines that are no rows of it; the others are `rows`."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    errors: tuple[LineError, ...]
    encoding: str
    delimiter: str

    def column(self, *names: str) -> str | None:
        """The first column that has one of the names, whatever its case, spaces and underscores."""
        wanted = {_plain(name) for name in names}
        return next((column for column in self.columns if _plain(column) in wanted), None)


def read(content: bytes) -> Table:
    """The table in a CSV file whose first line names its columns.

    UTF-8 with or without BOM, UTF-16 with BOM, else Windows-1252; the delimiter is the one that the first line has most
    of. Raises TableUnreadable.
    """
    if len(content) > LARGEST:
        raise TableUnreadable(
            f"The file has {len(content) / 2**20:.0f} MiB; the largest that is read has 20 MiB. Split it."
        )
    text, encoding = _decoded(content)
    if "\0" in text:
        raise TableUnreadable("This is no CSV file. Save the table as CSV (UTF-8) and upload that.")
    delimiter = _delimiter(text)
    lines = _lines(text, delimiter)
    columns = _columns(next(lines, (0, []))[1])
    rows, errors = _rows(lines, columns)
    return Table(columns=columns, rows=rows, errors=errors, encoding=encoding, delimiter=DELIMITERS[delimiter])


def _decoded(content: bytes) -> tuple[str, str]:
    named = next((encoding for bom, encoding in _BOMS if content.startswith(bom)), None)
    try:
        return content.decode(named or "utf-8"), (named or "utf-8").removesuffix("-sig").upper()
    except UnicodeDecodeError as fault:
        if named:
            raise TableUnreadable(f"The file says that it is {named}, and is not. Save it as CSV (UTF-8).") from fault
    return content.decode("cp1252", errors="replace"), "Windows-1252"


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise TableUnreadable(f"Line {begins}: {fault}. Look for a quote that is not closed.") from fault
        if any(cell.strip() for cell in cells):
            yield begins, [cell.strip() for cell in cells]


def _columns(cells: list[str]) -> tuple[str, ...]:
    if not cells:
        raise TableUnreadable("The file is empty. Its first line must name the columns.")
    if "" in cells:
        raise TableUnreadable(f"Column {cells.index('') + 1} has no name. Name every column in the first line.")
    if repeated := sorted({cell for cell in cells if [_plain(one) for one in cells].count(_plain(cell)) > 1}):
        raise TableUnreadable(f'Two columns are named "{repeated[0]}". Give each a name of its own.')
    return tuple(cells)


def _rows(
    lines: Iterator[tuple[int, list[str]]], columns: tuple[str, ...]
) -> tuple[tuple[Row, ...], tuple[LineError, ...]]:
    rows: list[Row] = []
    errors: list[LineError] = []
    for line, cells in lines:
        if len(rows) + len(errors) == MOST_ROWS:
            raise TableUnreadable(f"The table has more than {MOST_ROWS:,} rows. Split it.")
        if len(cells) == len(columns):
            rows.append(Row(line, dict(zip(columns, cells, strict=True))))
        else:
            errors.append(LineError(line, f"It has {len(cells)} cells, and there are {len(columns)} columns."))
    return tuple(rows), tuple(errors)


def _plain(name: str) -> str:
    return "".join(name.split()).replace("_", "").replace("-", "").casefold()
