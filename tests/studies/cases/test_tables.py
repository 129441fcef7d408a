"""CSV as it comes out of other systems: encodings, delimiters, quotes, and errors by line."""

from __future__ import annotations

import pytest

from studies.cases import tables
from studies.cases.tables import TableUnreadable

PLAIN = 'Accession,Volume,Remark\nA1,12.5,"small, round"\nA2,3,\n'


@pytest.mark.parametrize(
    ("content", "encoding", "delimiter"),
    [
        (PLAIN.encode(), "UTF-8", "comma"),
        (PLAIN.encode("utf-8-sig"), "UTF-8", "comma"),
        (PLAIN.encode("utf-16"), "UTF-16", "comma"),
        (PLAIN.replace("small, round", "gr\u00f6\u00dfer, rund").encode("cp1252"), "Windows-1252", "comma"),
        (b'Accession;Volume;Remark\r\nA1;12,5;"small; round"\r\nA2;3;\r\n', "UTF-8", "semicolon"),
        (b"Accession\tVolume\tRemark\nA1\t12.5\tsmall\nA2\t3\t\n", "UTF-8", "tab"),
        (b'"Accession, external";Volume;Remark\nA1;1;x\nA2;2;y\n', "UTF-8", "semicolon"),
    ],
)
def test_any_usual_encoding_and_delimiter_is_read(content: bytes, encoding: str, delimiter: str) -> None:
    table = tables.read(content)
    assert (table.encoding, table.delimiter) == (encoding, delimiter)
    assert [row.line for row in table.rows] == [2, 3]
    assert len(table.columns) == 3 and not table.errors


def test_quotes_hold_delimiters_quotes_and_line_ends() -> None:
    table = tables.read(b'A,B\n1,"he said ""no"",\nand left"\n2,x\n')
    assert table.rows[0].values["B"] == 'he said "no",\nand left'
    assert [row.line for row in table.rows] == [2, 4]


def test_a_line_with_too_few_or_too_many_cells_is_an_error_of_that_line_alone() -> None:
    table = tables.read(b"A,B\n1,2\n3\n\n4,5,6\n7,8\n")
    assert [(error.line, error.what) for error in table.errors] == [
        (3, "It has 1 cells, and there are 2 columns."),
        (5, "It has 3 cells, and there are 2 columns."),
    ]
    assert [row.line for row in table.rows] == [2, 6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"A,,C\n1,2,3\n", "Column 2 has no name"),
        (b"A,a\n1,2\n", 'named "A"'),
        (b'A,B\n1,"open\n', "quote"),
        (b"PK\x03\x04\x00\x00rest of a workbook", "no CSV"),
        (b"\xff\xfea", "utf-16"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(content: bytes, message: str) -> None:
    with pytest.raises(TableUnreadable, match=message):
        tables.read(content)


def test_columns_are_found_whatever_their_case_and_spaces() -> None:
    table = tables.read(b"accession number,Study_Instance_UID\n1,2\n")
    assert table.column("AccessionNumber") == "accession number"
    assert table.column("StudyInstanceUID") == "Study_Instance_UID"
    assert table.column("Case") is None
