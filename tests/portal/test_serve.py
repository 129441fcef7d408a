"""`manage.py serve` as a process: it answers, keeps queries out of its log, and says in one line what it cannot do."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portal.demo.preflight import ROOT
from tests.ports import free_port

SECONDS = 30


@contextmanager
def serving(*arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "manage.py", "serve", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answer(url: str) -> int:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(url) as response:
                return int(response.status)
        except urllib.error.URLError:
            assert time.monotonic() < deadline, "the server never answered"
            time.sleep(0.1)


def test_it_serves_until_it_is_told_to_stop_and_logs_no_query() -> None:
    port = free_port()
    with serving("--port", str(port), "--workers", "1") as process:
        assert answer(f"http://127.0.0.1:{port}/healthz?PatientID=SECRET-7") == 200
        process.terminate()
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert f"Listening at: http://127.0.0.1:{port}" in said
    assert "SECRET-7" not in said


def test_it_listens_where_the_environment_says() -> None:
    port = free_port()
    with serving(OVERREAD_WEB_PORT=str(port)):
        assert answer(f"http://127.0.0.1:{port}/healthz") == 200


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving("--port", str(port)) as process:
            said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert said.splitlines() == [
        f"CommandError: Port {port} on 127.0.0.1 is in use: stop what listens there, or give another --port."
    ]


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ()])
def test_the_demonstration_is_not_served_beyond_this_machine(arguments: tuple[str, ...]) -> None:
    host = {} if arguments else {"OVERREAD_WEB_HOST": "0.0.0.0"}
    with serving(*arguments, OVERREAD_DEMO="1", **host) as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "is '0.0.0.0', but the demonstration's logins are public: it listens on 127.0.0.1 only." in said
