"""What is done to the trail behind the portal's back is found, and named by the row."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from portal.audit import anchors, trail
from portal.audit.actions import Action
from portal.audit.diagnosis import Kind
from portal.audit.models import Entry
from portal.audit.tasks import write_anchor
from portal.audit.verifying import verify
from tests.portal.audit.conftest import Tamper


def test_an_untouched_trail_is_whole(ten_rows: list[Entry]) -> None:
    anchors.write()
    verdict = verify()
    assert (verdict.rows, verdict.anchors, verdict.faults) == (10, 1, [])
    assert "whole: 10 rows" in _verified()


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"])
def test_the_database_refuses_to_change_or_delete_a_row(ten_rows: list[Entry], statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert verify().is_whole


def test_the_database_refuses_to_empty_the_table(ten_rows: list[Entry]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER entries_are_kept")  # see tests.conftest
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute("TRUNCATE audit_entry")


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'somebody'",
        "actor_id = 7",
        "at = at + interval '1 microsecond'",
        "address = '10.0.0.1'",
        "via = 'page'",
        "action = 'result viewed'",
        "of = '1.2.99'",
        "study = ''",
        "detail = detail || '{\"series\": 99}'",
        "detail = '{}'",
        "previous = repeat('a', 64)",
        "hash = repeat('a', 64)",
    ],
)
def test_a_row_of_which_anything_was_edited_is_named(ten_rows: list[Entry], tamper: Tamper, change: str) -> None:
    tamper(f"UPDATE audit_entry SET {change} WHERE number = 5")
    found = verify().faults
    assert found[0].number == 5
    assert found[0].kind == Kind.EDITED
    assert "Row 5 was edited" in _refused()


def test_what_was_edited_is_told_as_far_as_it_can_be(ten_rows: list[Entry], tamper: Tamper) -> None:
    tamper(
        "UPDATE audit_entry SET actor = 'x' WHERE number = 2",
        "UPDATE audit_entry SET hash = repeat('a', 64) WHERE number = 5",
        "UPDATE audit_entry SET previous = repeat('a', 64) WHERE number = 8",
    )
    told = {fault.number: fault.sentence for fault in verify().faults}
    assert "its content does not give the hash" in told[2]
    assert "its hash was replaced" in told[5]
    assert "the hash of the row before it" in told[8]


def test_missing_rows_are_named(ten_rows: list[Entry], tamper: Tamper) -> None:
    tamper("DELETE FROM audit_entry WHERE number IN (1, 5, 6)")
    assert [(fault.number, fault.kind, fault.sentence) for fault in verify().faults] == [
        (1, Kind.MISSING, "Row 1 is missing."),
        (5, Kind.MISSING, "Rows 5 to 6 are missing."),
    ]


def test_a_row_taken_out_with_the_others_moved_up_is_found(ten_rows: list[Entry], tamper: Tamper) -> None:
    tamper(
        "DELETE FROM audit_entry WHERE number = 5",
        *(f"UPDATE audit_entry SET number = {number - 1} WHERE number = {number}" for number in range(6, 11)),
    )
    first = verify().faults[0]
    assert (first.number, first.kind) == (5, Kind.MOVED)
    assert "written as row 6" in first.sentence


def test_an_inserted_row_is_named(ten_rows: list[Entry], tamper: Tamper) -> None:
    up = (f"UPDATE audit_entry SET number = {number + 1} WHERE number = {number}" for number in range(10, 4, -1))
    tamper(*up, _forged(5, previous="SELECT hash FROM audit_entry WHERE number = 4"))
    found = verify().faults
    assert (found[0].number, found[0].kind) == (5, Kind.INSERTED)
    assert {fault.number for fault in found} == {5, 6, 7, 8, 9, 10, 11}


def test_a_row_forged_into_a_gap_is_named(ten_rows: list[Entry], tamper: Tamper) -> None:
    tamper(
        "DELETE FROM audit_entry WHERE number = 5",
        _forged(5, previous="SELECT hash FROM audit_entry WHERE number = 4"),
    )
    assert [fault.number for fault in verify().faults] == [5]


def test_a_row_forged_at_the_end_is_named(ten_rows: list[Entry], tamper: Tamper) -> None:
    tamper(_forged(11, previous="SELECT hash FROM audit_entry WHERE number = 10"))
    [fault] = verify().faults
    assert (fault.number, fault.kind) == (11, Kind.INSERTED)


def test_rows_that_changed_places_are_named(ten_rows: list[Entry], tamper: Tamper) -> None:
    tamper(
        "UPDATE audit_entry SET number = 999 WHERE number = 4",
        "UPDATE audit_entry SET number = 4 WHERE number = 7",
        "UPDATE audit_entry SET number = 7 WHERE number = 999",
    )
    told = {fault.number: fault for fault in verify().faults}
    assert set(told) == {4, 7}
    assert {fault.kind for fault in told.values()} == {Kind.MOVED}
    assert "written as row 7" in told[4].sentence


def test_a_cut_tail_is_found_by_the_anchor(ten_rows: list[Entry], tamper: Tamper) -> None:
    anchors.write()
    tamper("DELETE FROM audit_entry WHERE number > 7")
    [fault] = verify().faults
    assert (fault.number, fault.kind) == (8, Kind.CUT)
    assert "reached row 10 then; now it ends with row 7" in _refused()


def test_a_tail_that_was_cut_and_has_grown_again_is_found(ten_rows: list[Entry], tamper: Tamper) -> None:
    anchors.write()
    tamper("DELETE FROM audit_entry WHERE number > 7")
    for _ in range(5):
        trail.record(Action.SIGNED_IN, of="1")
    [fault] = verify().faults
    assert (fault.number, fault.kind) == (10, Kind.CUT)


def test_a_trail_that_was_emptied_is_found(ten_rows: list[Entry], tamper: Tamper) -> None:
    call_command("audit", "head", stdout=StringIO())
    tamper("DELETE FROM audit_entry")
    assert "reached row 10" in _refused()


def test_a_spoiled_anchor_is_told(ten_rows: list[Entry], anchors_file: Path) -> None:
    anchors.write()
    anchors_file.write_text(anchors_file.read_text() + "nonsense\n")
    assert [fault.kind for fault in verify().faults] == [Kind.ANCHOR]


def test_anchors_are_appended_only_when_rows_were(ten_rows: list[Entry], anchors_file: Path) -> None:
    anchors.write()
    anchors.write()
    trail.record(Action.SIGNED_IN, of="1")
    anchors.write()
    assert len(anchors_file.read_text().splitlines()) == 2
    assert verify().is_whole


def test_what_is_anchored_during_a_walk_is_left_to_the_next(ten_rows: list[Entry], anchors_file: Path) -> None:
    anchors.write()
    walk = anchors.read(anchors_file)
    assert isinstance(first := next(walk), anchors.Anchor)
    assert first.number == 10
    trail.record(Action.SIGNED_IN, of="1")
    anchors.write()
    assert list(walk) == []


def test_the_scheduler_writes_an_anchor_each_minute(ten_rows: list[Entry], settings: Settings) -> None:
    assert settings.CELERY_BEAT_SCHEDULE[write_anchor.name]["schedule"] == 60.0
    write_anchor()
    assert verify().anchors == 1


def test_a_row_needs_the_key_it_was_written_with(ten_rows: list[Entry], settings: Settings) -> None:
    settings.OVERREAD_AUDIT_KEY = "another"
    assert verify().count == 10
    settings.OVERREAD_AUDIT_OLD_KEYS = [settings.SECRET_KEY]
    trail.record(Action.SIGNED_IN, of="1")
    assert verify().is_whole


def _forged(number: int, *, previous: str) -> str:
    return (
        "INSERT INTO audit_entry "
        "(number, at, actor_id, actor, address, via, action, of, study, detail, previous, hash) "
        f"SELECT {number}, now(), 1, 'x', '', 'page', 'exam viewed', '1.2', '', '{{}}', ({previous}), repeat('f', 64)"
    )


def _verified() -> str:
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    return out.getvalue()


def _refused() -> str:
    out = StringIO()
    with pytest.raises(CommandError, match="not whole") as refusal:
        call_command("audit", "verify", stdout=out)
    assert refusal.value.returncode == 1
    return out.getvalue()
