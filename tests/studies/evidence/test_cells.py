"""Cells come back as they were written, and none begins what a spreadsheet would calculate."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.evidence.cells import NUMBER, Value, written

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3))


@given(
    st.one_of(
        TEXT,
        st.sampled_from(["=1+1", " =1", "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "\t=1", "\r=1", "\n-1", "＝1", "−"]),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(JSON, max_size=3),
        st.dictionaries(TEXT, JSON, max_size=3),
    )
)
def test_no_cell_begins_a_formula_unless_it_is_a_number(value: Value) -> None:
    cell = written(value)
    assert NUMBER.fullmatch(cell) or cell.lstrip()[:1] not in {"=", "+", "-", "@", "＝", "＋", "－", "＠"}
    assert cell[:1] not in {"\t", "\r", "\n"}


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_text_comes_back_as_it_was(texts: list[str]) -> None:
    cells = [written(text) for text in texts]
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    [row] = csv.reader(io.StringIO(line.getvalue(), newline=""))
    assert row == cells
    for text, cell in zip(texts, row, strict=True):
        plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
        assert cell in {plain, f"'{plain}"}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (0.1, "0.1"),
        (-3, "-3"),
        ("-3.5e-7", "-3.5e-7"),
        ("-", "'-"),
        ("- not sure", "'- not sure"),
        ("12.5 ml", "12.5 ml"),
        ({"b": 1, "a": [1, "x"]}, '{"a":[1,"x"],"b":1}'),
        (datetime(2026, 3, 31, 14, 5, 6, 999, tzinfo=timezone(timedelta(hours=2))), "2026-03-31T12:05:06Z"),
        (datetime(2026, 3, 31, tzinfo=UTC), "2026-03-31T00:00:00Z"),
    ],
)
def test_each_kind_of_value_has_one_spelling(value: Value, cell: str) -> None:
    assert written(value) == cell


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written_as_one(value: float) -> None:
    with pytest.raises(ValueError, match="cannot stand"):
        written(value)
