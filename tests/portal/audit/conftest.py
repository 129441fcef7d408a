"""A trail of a few rows, anchors of the test's own, and an attacker with the rights of the database's owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from portal.audit import trail
from portal.audit.actions import Action
from portal.audit.models import Entry

Tamper = Callable[..., None]


@pytest.fixture(autouse=True)
def anchors_file(settings: Settings, tmp_path: Path) -> Path:
    settings.OVERREAD_AUDIT_ANCHORS = tmp_path / "audit-anchors"
    return tmp_path / "audit-anchors"


@pytest.fixture
def ten_rows(db: None) -> list[Entry]:
    """Rows 1 to 10, put down to the system."""
    with _without_triggers():
        Entry.objects.all().delete()
    for number in range(1, 11):
        trail.record(Action.EXAM_VIEWED, of=f"1.2.{number}", study="brain", detail={"series": number, "page": "exam"})
    return list(Entry.objects.order_by("number"))


@pytest.fixture
def tamper(db: None) -> Tamper:
    """Run SQL past the triggers, as a database administrator can."""

    def run(*statements: str) -> None:
        with _without_triggers(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return run


@contextmanager
def _without_triggers() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        yield
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
