"""`manage.py receive` as a process group of its own, against the database and the store of the test."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from django.conf import settings
from django.db import connection

EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Running:
    """A receiver that is ready on `port`."""

    process: "subprocess.Popen[str]"
    port: int
    tls_port: int | None = None

    def members(self) -> list[int]:
        """The processes of its group that are alive."""
        found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [pid for pid in found if _is_alive_in(pid, self.process.pid)]

    def children(self, kind: str) -> list[int]:
        """Its listeners, or its indexer, that are alive and have begun to work."""
        return [pid for pid in self.members() if f"--only\0{kind}\0".encode() in _command_line(pid)]

    def kill_indexer(self) -> None:
        self.kill("indexer")

    def kill(self, kind: str) -> None:
        for pid in self.children(kind):
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """As a power cut would: at once, whatever it is doing."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(
    *arguments: str, stderr: int | None = None, environment: Mapping[str, str] = EMPTY
) -> "subprocess.Popen[str]":
    """Start the command in its own process group; its output is text."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "receive", *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {"DATABASE_URL": database_url(), "OVERREAD_STORE": str(settings.OVERREAD_STORE)}
        | {"OVERREAD_DIMSE_PROCESSES": "2"}
        | dict(environment),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


@contextmanager
def receive_process(
    *arguments: str, stderr: int | None = None, environment: Mapping[str, str] = EMPTY
) -> Iterator[Running]:
    """A receiver on free ports, killed in the end if it still runs."""
    process = start("--port", "0", "--tls-port", "0", *arguments, stderr=stderr, environment=environment)
    try:
        port = _announced(process)
        tls_port = _announced(process, note=" with TLS") if "OVERREAD_DIMSE_TLS_CERTIFICATE" in environment else None
        yield Running(process=process, port=port, tls_port=tls_port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: "subprocess.Popen[str]", *, note: str = "") -> int:
    assert process.stdout is not None
    ready = re.fullmatch(rf"receiving on 127\.0\.0\.1:(\d+){note}\n", process.stdout.readline())
    assert ready, "The receiver did not become ready."
    return int(ready[1])


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _is_alive_in(pid: int, group: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z" and int(fields[2]) == group


def database_url() -> str:
    """The test's own database, in the form in which this run's engines are named."""
    name = connection.settings_dict["NAME"]
    address, _, query = os.environ["DATABASE_URL"].partition("?")
    return f"{address.rpartition('/')[0]}/{quote(str(name))}" + (f"?{query}" if query else "")
