"""Ctrl-C at a terminal, at any moment of the set-up, leaves no process and data that the next start can use."""

import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.demo.preflight import ROOT
from tests.demonstration import processes_of
from tests.ports import free_port

pytestmark = pytest.mark.faults
CTRL_C = b"\x03"
SECONDS = 60
STOP_SECONDS = 120  # pg_ctl alone may take 60 on a slow disk


class Terminal:
    """A terminal in which `python -m portal.demo` runs in the foreground, as in a person's shell."""

    def __init__(self, home: Path) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_"))}
        environ |= {
            "OVERREAD_HOME": str(home),
            "OVERREAD_STORE": str(home / "store"),
            "OVERREAD_WEB_PORT": str(free_port()),
            "OVERREAD_DIMSE_PORT": str(free_port()),
            "TERM": "xterm",
        }
        self._home = home
        self._keyboard, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _FOREGROUND, sys.executable, "-m", "portal.demo"],
            cwd=ROOT,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.said = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._keyboard)  # a closed window stops it too
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            left = processes_of(self._home)
            self.process.kill()
            pytest.fail(f"these did not stop: {left}; said before: {self.said}")

    def read_until(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS
        while words not in self.said:
            assert time.monotonic() < deadline, self.said
            self._read()

    def press(self, key: bytes) -> None:
        os.write(self._keyboard, key)

    def wait(self) -> int:
        deadline = time.monotonic() + STOP_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.said
            self._read()
        return self.process.returncode

    def _read(self) -> None:
        if select.select([self._keyboard], [], [], 0.2)[0]:
            try:
                self.said += os.read(self._keyboard, 4096).decode(errors="replace")
            except OSError:  # Linux's word for a terminal that nobody holds any more
                time.sleep(0.1)


# Makes the terminal the session's own, so that its Ctrl-C reaches the whole foreground group.
_FOREGROUND = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """Not below pytest's own folder, which every session of pytest closes to others, PostgreSQL's user among them."""
    with tempfile.TemporaryDirectory(prefix="overread-tests-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("moment", ["PostgreSQL and Valkey ...", "ok  PostgreSQL and Valkey", "ok  Schema"])
def test_ctrl_c_during_set_up_stops_everything_and_the_next_start_goes_on(home: Path, moment: str) -> None:
    for _ in range(2):
        with Terminal(home) as terminal:
            terminal.read_until(moment)
            terminal.press(CTRL_C)
            terminal.press(CTRL_C)  # people press it twice
            assert terminal.wait() == 0, terminal.said
        assert "the data stays in" in terminal.said
        assert "Traceback" not in terminal.said
        assert processes_of(home) == []


def test_a_closed_window_stops_everything_too(home: Path) -> None:
    with Terminal(home) as terminal:
        terminal.read_until("ok  Schema")
    assert processes_of(home) == []
