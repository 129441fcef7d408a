"""The whole demonstration, started as `make demo` starts it: once for all tests that need it, in a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from portal.demo.assets import fetch
from portal.demo.exams import CAST, DemonstrationExam, Patient, write_exam
from portal.demo.preflight import ROOT
from portal.demo.seed import AE_TITLE, PASSWORD
from portal.demo.supervisor import Supervisor
from portal.demo.welcome import READY
from tests.ports import free_port

T = TypeVar("T")
START_SECONDS = 600
STOP_SECONDS = 60
CACHE = Path(os.environ.get("OVERREAD_TEST_CACHE") or ROOT / ".cache" / "overread-tests")


@dataclass
class Demonstration:
    """A running demonstration and what a stranger may do with it."""

    home: Path
    web_port: int
    dimse_port: int
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.home)

    def api(self, path: str, *, user: str = "reader1", **query: str) -> Any:
        """What the API answers to `user`'s token."""
        request = urllib.request.Request(f"{self.url}/api/{path}?{urllib.parse.urlencode(query)}")
        request.add_header("Authorization", f"Token {self._token(user)}")
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def job(self, exam: DemonstrationExam) -> dict[str, Any] | None:
        """The exam's newest job, or None while it has none."""
        jobs = self.api("jobs/", exam=exam.study_instance_uid)["results"]
        return jobs[0] if jobs else None

    def push(self, exam: DemonstrationExam) -> None:
        """Send the exam with DCMTK, as the line that the demonstration prints says."""
        called = ["-aet", "SCANNER", "-aec", AE_TITLE, "127.0.0.1", str(self.dimse_port)]
        subprocess.run(
            ["storescu", *called, "+sd", "+r", str(exam.folder)], check=True, env=os.environ | {"TCP_NODELAY": "1"}
        )

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            credentials = urllib.parse.urlencode({"username": user, "password": PASSWORD}).encode()
            with urllib.request.urlopen(f"{self.url}/api/token/", credentials) as response:
                self._tokens[user] = json.load(response)["token"]
        return self._tokens[user]


def another_exam(accession_number: str, folder: Path) -> DemonstrationExam:
    """An exam that the demonstration does not bring along, of a patient of its own."""
    recipe = replace(
        CAST[0],
        patient=Patient(f"TEST-{accession_number}", "Test^Dogwood", "19800101", "F"),
        accession_number=accession_number,
        title=accession_number,
    )
    assets = fetch(CACHE / "sources", lambda label, done, total: None)
    return write_exam(recipe, assets.mni152, folder, lambda label, done, total: None)


def wait_for(ask: Callable[[], T], *, seconds: float, every: float = 0.5) -> T:
    """The first true answer. Fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(every)
    return answer


@pytest.fixture(scope="session")
def demonstration() -> Iterator[Demonstration]:
    """The demonstration, ready: every exam has its result. At the end Ctrl-C, and nothing of it may be left."""
    # Not below pytest's own folder, which every session of pytest closes to others, PostgreSQL's user among them.
    with tempfile.TemporaryDirectory(prefix="overread-demo-") as folder:
        running = Demonstration(Path(folder), free_port(), free_port())
        log = Path(folder) / "said"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "portal.demo"], cwd=ROOT, env=_environ(running), stdout=stream, stderr=stream
            )
        try:
            _wait_until_ready(process, log)
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(STOP_SECONDS)
        assert code == 0, log.read_text()
        assert "Traceback" not in log.read_text()
        assert processes_of(running.home) == []


def _environ(running: Demonstration) -> dict[str, str]:
    ours = ("DATABASE_URL", "REDIS_URL", "DJANGO_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith((*ours, "OVERREAD_"))}
    return clean | {
        "OVERREAD_HOME": str(running.home),
        "OVERREAD_WEB_PORT": str(running.web_port),
        "OVERREAD_DIMSE_PORT": str(running.dimse_port),
        "OVERREAD_CACHE": str(CACHE),
    }


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while READY not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


def processes_of(home: Path) -> list[str]:
    """The command lines of processes that belong to the demonstration in `home`."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"OVERREAD_HOME={home}".encode() in entry.read_bytes():
                commands.append((entry.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile
    return commands
