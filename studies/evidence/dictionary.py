"""The data dictionary: what each column of each file means, as a table of its own and to be read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from studies.evidence.tables import Column, Row, Table, column

TYPES = {
    "key": "one of a fixed set of words, or a name that other tables have too",
    "text": "text",
    "number": "number, with a point",
    "whole": "whole number",
    "flag": "true or false",
    "time": "time in UTC, ISO 8601",
    "digest": "SHA-256, 64 hexadecimal digits",
    "value": "what the row's other columns say that it is",
}
"""The types of columns in words."""
_WIDTH = 100

COLUMNS = (
    column("file", "File that has the column", "key"),
    column("position", "Place of the column in the file, from 1", "whole"),
    column("column", "Name of the column", "key"),
    column("type", "Type of its values: " + "; ".join(f"`{name}`: {said}" for name, said in TYPES.items()), "key"),
    column("unit", "Unit of its values (UCUM); empty where there is none"),
    column("meaning", "What it says"),
)


def table_of(tables: Sequence[Table]) -> Table:
    """The dictionary of the tables, and of itself, as a table."""
    dictionary = Table(
        file="dictionary.csv",
        title="Data dictionary",
        one_row="One column of one file.",
        columns=COLUMNS,
        rows=lambda _scope: _rows((*tables, dictionary)),
    )
    return dictionary


def text_of(tables: Sequence[Table]) -> str:
    """The same as text that people read."""
    return "\n".join(line for table in tables for line in _lines(table))


def _rows(tables: Sequence[Table]) -> Iterator[Row]:
    for table in tables:
        for position, one in enumerate(table.columns, start=1):
            yield {
                "file": table.file,
                "position": position,
                "column": one.name,
                "type": one.type,
                "unit": one.unit,
                "meaning": one.meaning,
            }


def _lines(table: Table) -> Iterator[str]:
    heading = f"{table.file}: {table.title}"
    yield heading
    yield "=" * len(heading)
    yield from textwrap.wrap(f"A row: {table.one_row}", _WIDTH)
    yield ""
    width = max(len(name) for name in table.names)
    for one in table.columns:
        yield from _entry(one, width)
    yield ""


def _entry(one: Column, width: int) -> Iterator[str]:
    about = TYPES[one.type] + (f", in {one.unit}" if one.unit else "")
    said = f"{one.meaning}. ({about})"
    first = f"  {one.name:<{width}}  "
    yield from textwrap.wrap(said, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
