"""The two answers for load balancers, from real parts that are well, gone, full or behind."""

import os
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from dicom_ingest.store import spool_folder

pytestmark = pytest.mark.django_db


def checks(client: Client, *, status: int) -> dict[str, dict[str, object]]:
    answer = client.get("/readyz")
    assert answer.status_code == status, answer.content
    assert answer["Cache-Control"].startswith("max-age=0")
    body = answer.json()
    assert body["ok"] is (status == 200)
    found: dict[str, dict[str, object]] = body["checks"]
    return found


def test_healthz_needs_no_login_and_says_only_that_the_process_answers(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "says": "The web process answers."}


def test_readyz_is_200_when_every_part_is_well(client: Client) -> None:
    found = checks(client, status=200)
    assert set(found) == {"database", "broker", "store", "spool"}
    assert all(light["ok"] for light in found.values())


def test_readyz_is_503_and_names_the_broker_when_it_is_gone(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = checks(client, status=503)
    assert found["broker"] == {
        "ok": False,
        "says": "The broker does not answer: start Redis or Valkey, or correct REDIS_URL.",
    }
    assert found["database"]["ok"]


def test_readyz_is_503_while_a_migration_is_not_applied(client: Client) -> None:
    call_command("migrate", "admin", "0002", verbosity=0)
    found = checks(client, status=503)
    assert found["database"]["says"] == "Migrations wait to be applied (1): run manage.py migrate."


def test_readyz_is_503_when_the_database_is_gone(client: Client, unreachable_database: None) -> None:
    found = checks(client, status=503)
    assert str(found["database"]["says"]).startswith("The database does not answer")


@pytest.fixture
def unreachable_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to a port on which nothing listens, in the place of the test's own."""
    from django.db import connection
    from django.db.backends.postgresql.base import DatabaseWrapper

    from portal import health

    elsewhere = dict(connection.settings_dict) | {"HOST": "127.0.0.1", "PORT": "1"}
    monkeypatch.setattr(health, "connection", DatabaseWrapper(elsewhere, alias="elsewhere"))


def test_readyz_is_503_when_the_disk_falls_below_the_watermark(client: Client, settings: Settings) -> None:
    settings.OVERREAD_MIN_FREE_BYTES = 2**60
    assert str(checks(client, status=503)["store"]["says"]).startswith("The store's disk has less than")


def test_readyz_is_503_when_the_store_cannot_be_written(client: Client, settings: Settings, store: Path) -> None:
    store.write_text("a file where a folder should be")
    assert str(checks(client, status=503)["store"]["says"]).startswith("The store cannot be written (File exists)")


def test_readyz_is_503_when_a_received_image_waits_too_long_in_the_spool(client: Client) -> None:
    spool_folder().mkdir(parents=True)
    stuck = spool_folder() / "stuck.dcm"
    stuck.write_bytes(b"")
    checks(client, status=200)
    an_hour_ago = time.time() - 3600
    os.utime(stuck, (an_hour_ago, an_hour_ago))
    assert str(checks(client, status=503)["spool"]["says"]).startswith("Received images wait to be filed (1)")


def test_neither_answer_tells_a_path_or_a_version(client: Client, settings: Settings) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert str(settings.OVERREAD_STORE) not in answer.text
        assert "Server" not in answer.headers
        assert not any(character.isdigit() for character in answer.text)
