"""The whole portal as processes under its own supervisor, on the database and the store of the test, to be killed."""

import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from portal.demo import supervisor
from tests.dicom_ingest.scanner import HOST, Scanner
from tests.dicom_ingest.waiting import until
from tests.ports import free_port

START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Portal:
    """The running portal; every program writes what it says to a file of `logs`."""

    supervisor: supervisor.Supervisor
    dimse_port: int
    web_port: int
    logs: Path

    def kill(self, name: str, *, chance: random.Random | None = None) -> None:
        """kill -9 of the whole program; with `chance`, sometimes of one of its processes only."""
        leader = next(state.pid for state in self.supervisor.states() if state.name == name)
        if not leader:
            return  # it is being started again
        with suppress(ProcessLookupError):
            if chance is not None and chance.random() < 0.5:
                os.kill(chance.choice(members(leader)), signal.SIGKILL)
            else:
                os.killpg(leader, signal.SIGKILL)

    def said(self) -> str:
        """Everything that any of the processes wrote."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.logs.glob("*.log*")))


@contextmanager
def portal(home: Path, *programs: str, more: tuple[supervisor.Program, ...] = (), **environ: str) -> Iterator[Portal]:
    """Run the named programs of the portal, and wait until the receiver and the web server, if among them, answer.

    more: programs of the test's own.
    """
    dimse_port, web_port = free_port(), free_port()
    environ |= {
        "OVERREAD_HOME": str(home),
        "OVERREAD_DIMSE_PORT": str(dimse_port),
        "OVERREAD_WEB_PORT": str(web_port),
    }
    chosen = tuple(program for program in supervisor.PROGRAMS if program.name in programs)
    with _environment(portal_environment() | environ), supervisor.running(home, chosen + more) as running:
        if "receiver" in programs:
            assert until(Scanner(port=dimse_port).echoes, seconds=START_SECONDS), "The receiver does not answer."
        if "web" in programs:
            assert until(partial(_listens, web_port), seconds=START_SECONDS), "The web server does not answer."
        yield Portal(supervisor=running, dimse_port=dimse_port, web_port=web_port, logs=home / "logs")


def portal_environment() -> dict[str, str]:
    """What leads a process of the portal to the database and the store of the test."""
    address, _, query = os.environ["DATABASE_URL"].partition("?")
    database = f"{address.rpartition('/')[0]}/{quote(str(connection.settings_dict['NAME']))}"
    return {
        "DATABASE_URL": database + (f"?{query}" if query else ""),
        "OVERREAD_STORE": str(settings.OVERREAD_STORE),
    }


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and int(fields[2]) == group:
                found.append(int(entry.parent.name))
    if not found:
        raise ProcessLookupError(group)
    return found


def _listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection((HOST, port)):
        return True
    return False


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
