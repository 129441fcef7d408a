"""`manage.py receive` as a process group of its own, against the database and the store of the test."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection


@dataclass(frozen=True, kw_only=True)
class Running:
    """A receiver that is ready on `port`."""

    process: "subprocess.Popen[str]"
    port: int

    def members(self) -> list[int]:
        """The processes of its group that are alive."""
        found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [pid for pid in found if _is_alive_in(pid, self.process.pid)]

    def kill_indexer(self) -> None:
        for pid in self.members():
            if pid != self.process.pid:
                os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """As a power cut would: at once, whatever it is doing."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(*arguments: str, stderr: int | None = None) -> "subprocess.Popen[str]":
    """Start the command in its own process group; its output is text."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "receive", *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": _database_url(), "OVERREAD_STORE": str(settings.OVERREAD_STORE)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


@contextmanager
def receive_process(*arguments: str) -> Iterator[Running]:
    """A receiver on a free port, killed in the end if it still runs."""
    process = start("--port", "0", *arguments)
    assert process.stdout is not None
    try:
        ready = re.fullmatch(r"receiving on 127\.0\.0\.1:(\d+)\n", process.stdout.readline())
        assert ready, "The receiver did not become ready."
        yield Running(process=process, port=int(ready[1]))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _is_alive_in(pid: int, group: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z" and int(fields[2]) == group


def _database_url() -> str:
    """The test's own database, in the form in which this run's engines are named."""
    name = connection.settings_dict["NAME"]
    address, _, query = os.environ["DATABASE_URL"].partition("?")
    return f"{address.rpartition('/')[0]}/{quote(str(name))}" + (f"?{query}" if query else "")
