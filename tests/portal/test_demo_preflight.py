"""What `make demo` says before it does anything: one line for each thing that is missing, and what to do about it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.demo import preflight
from portal.demo.preflight import ROOT, Refused, Setup, check, hold, is_free, loopback_problem
from tests.ports import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of this machine on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "OVERREAD_HOME": str(tmp_path / "home"),
        "OVERREAD_WEB_PORT": str(free_port()),
        "OVERREAD_DIMSE_PORT": str(free_port()),
    }


def problems_of(environ: dict[str, str]) -> list[str]:
    return check(Setup.of(environ))


def test_nothing_is_wrong_with_free_ports_a_writable_home_and_a_disk_with_room(environ: dict[str, str]) -> None:
    assert problems_of(environ) == []


def test_a_port_in_use_is_one_line_that_names_the_variable_to_set(environ: dict[str, str], taken_port: int) -> None:
    environ["OVERREAD_WEB_PORT"] = str(taken_port)
    assert problems_of(environ) == [
        f"Port {taken_port} on 127.0.0.1 is in use: stop what listens there, or choose another, for example "
        "OVERREAD_WEB_PORT=8001 make demo."
    ]


def test_a_port_is_free_again_right_after_its_server_ended() -> None:
    port = free_port()
    assert is_free("127.0.0.1", port)


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1", "80.5"])
def test_what_is_no_port_is_refused(environ: dict[str, str], value: str) -> None:
    with pytest.raises(Refused, match=r"OVERREAD_DIMSE_PORT is '.*': give a port between 1 and 65535"):
        Setup.of(environ | {"OVERREAD_DIMSE_PORT": value})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_the_demonstration_listens_on_loopback(host: str) -> None:
    assert loopback_problem("OVERREAD_WEB_HOST", host) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "portal.hospital.example", ""])
def test_the_demonstration_refuses_to_listen_beyond_loopback(environ: dict[str, str], host: str) -> None:
    (problem,) = problems_of(environ | {"OVERREAD_DIMSE_HOST": host})
    assert problem.startswith(f"OVERREAD_DIMSE_HOST is {host!r}, but the demonstration's logins are public")


def test_a_full_disk_is_one_line_with_what_is_free_and_what_is_needed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "HOME_BYTES", 2**60)
    (problem,) = problems_of(environ)
    assert f"{2**30} GiB are needed: free some, choose another disk with OVERREAD_HOME=/path make demo." in problem


def test_a_home_that_cannot_be_made_is_one_line(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (problem,) = problems_of(environ | {"OVERREAD_HOME": str(tmp_path / "file" / "home")})
    assert problem.endswith(
        "cannot be used (Not a directory): choose another folder with OVERREAD_HOME=/path make demo."
    )


@pytest.mark.parametrize("name", ["my home", "100%", "home?host=elsewhere"])
def test_a_home_whose_name_an_engine_could_not_take_is_refused(
    environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    (problem,) = problems_of(environ | {"OVERREAD_HOME": str(tmp_path / name)})
    assert "choose a folder without blanks and punctuation with OVERREAD_HOME=/path make demo." in problem


def test_a_home_in_use_is_one_line_that_names_its_process(environ: dict[str, str]) -> None:
    home = Path(environ["OVERREAD_HOME"])
    with hold(home):
        (problem,) = problems_of(environ)
    assert problem.startswith(f"A demonstration already runs in {home} (process {os.getpid()}): stop it with Ctrl-C")
    assert problems_of(environ) == []


def test_missing_npm_is_one_line(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight, "ROOT", tmp_path)  # a clone into which nothing was fetched yet
    monkeypatch.setattr(preflight, "INSTALL_BYTES", 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    (problem,) = problems_of(environ)
    assert problem.startswith("npm is missing (it fetches the viewer): install Node.js with npm")


def test_it_runs_before_anything_is_installed_and_fails_with_nothing_but_its_lines(
    environ: dict[str, str], taken_port: int
) -> None:
    environ["OVERREAD_DIMSE_PORT"] = str(taken_port)
    bare = [sys.executable, "-I", "-S", str(ROOT / "portal" / "demo" / "preflight.py")]
    done = subprocess.run(bare, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"Port {taken_port} on 127.0.0.1 is in use: stop what listens there, or choose another, for example "
        "OVERREAD_DIMSE_PORT=11113 make demo."
    ]
