"""What has to be so before the demonstration starts, each miss told in one line that says what to do.

`make demo` runs this file before anything is installed, so it uses the standard library alone.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30
INSTALL_BYTES = 4 * GIB  # .venv with torch, the viewer, the packages on their way in
HOME_BYTES = 1 * GIB  # PostgreSQL, the demonstration exams twice (as sent, as received), results, logs
STOP_SECONDS = 40


class Refused(Exception):
    """The demonstration cannot start; the message is one line that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where this demonstration keeps its data and where it listens."""

    home: Path
    web_host: str
    web_port: int
    dimse_host: str
    dimse_port: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Setup:
        """Read the OVERREAD_* variables; the defaults are those of portal/settings.py. Raises Refused."""
        return cls(
            home=Path(environ.get("OVERREAD_HOME") or ROOT / ".overread").resolve(),
            web_host=environ.get("OVERREAD_WEB_HOST", "127.0.0.1"),
            web_port=_port(environ, "OVERREAD_WEB_PORT", 8000),
            dimse_host=environ.get("OVERREAD_DIMSE_HOST", "127.0.0.1"),
            dimse_port=_port(environ, "OVERREAD_DIMSE_PORT", 11112),
        )

    @property
    def cache(self) -> Path:
        """What was fetched or made once and is the same everywhere; OVERREAD_CACHE shares it between homes."""
        return Path(os.environ.get("OVERREAD_CACHE") or self.home / "cache").resolve()

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def url(self) -> str:
        return f"http://{self.web_host}:{self.web_port}"


def _port(environ: Mapping[str, str], variable: str, default: int) -> int:
    value = environ.get(variable) or str(default)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise Refused(f"{variable} is {value!r}: give a port between 1 and 65535.")
    return int(value)


def check(setup: Setup) -> list[str]:
    """`problems`, before anything is installed; a home in use is one more, and what a killed one left is stopped."""
    try:
        with hold(setup.home):
            stop_leftover_supervisor(setup.home)
            return problems(setup)
    except (Refused, OSError) as error:
        return [_in_one_line(error, setup.home)]


def _in_one_line(error: Refused | OSError, home: Path) -> str:
    if isinstance(error, OSError):
        return f"{home} cannot be used ({error.strerror}): choose another folder with OVERREAD_HOME=/path make demo."
    return str(error)


def problems(setup: Setup) -> list[str]:
    """Everything that keeps this demonstration from starting, one line each."""
    return [problem for problem in _findings(setup) if problem]


def _findings(setup: Setup) -> Iterator[str | None]:
    yield _name_problem(setup.home)
    yield loopback_problem("OVERREAD_WEB_HOST", setup.web_host)
    yield loopback_problem("OVERREAD_DIMSE_HOST", setup.dimse_host)
    yield _port_problem("OVERREAD_WEB_PORT", setup.web_host, setup.web_port, other=8001)
    yield _port_problem("OVERREAD_DIMSE_PORT", setup.dimse_host, setup.dimse_port, other=11113)
    yield _disk_problem(setup.home, HOME_BYTES, "choose another disk with OVERREAD_HOME=/path make demo")
    yield None if _is_installed() else _disk_problem(ROOT, INSTALL_BYTES, "or clone to a disk with more")
    yield _npm_problem()


def _name_problem(home: Path) -> str | None:
    if not any(character.isspace() or character in "\"'?#;%" for character in str(home)):
        return None
    advice = "choose a folder without blanks and punctuation with OVERREAD_HOME=/path make demo."
    return f"PostgreSQL or the supervisor cannot be started in {str(home)!r}: {advice}"


def loopback_problem(variable: str, host: str) -> str | None:
    """Why a demonstration may not listen on `host`: everybody knows its logins, so only this machine may reach it."""
    try:
        if host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback:
            return None
    except ValueError:
        pass  # a name: where it leads may change, so it is refused like any address beyond this machine
    return (
        f"{variable} is {host!r}, but the demonstration's logins are public: it listens on 127.0.0.1 only. "
        f"Unset {variable}, or set up a portal of your own (docs/operators.md)."
    )


def _port_problem(variable: str, host: str, port: int, *, other: int) -> str | None:
    if is_free(host, port):
        return None
    return (
        f"Port {port} on {host} is in use: stop what listens there, or choose another, for example "
        f"{variable}={other} make demo."
    )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `port` of `host`. A host that is not this machine's counts as free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            return not str(error.strerror).startswith("Address already")
    return True


def _is_installed() -> bool:
    return (ROOT / ".venv" / "installed-embedded").is_file()


def _disk_problem(folder: Path, needed: int, advice: str) -> str | None:
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return None
    return f"{folder} has {free / GIB:.1f} GiB free and {needed / GIB:.0f} GiB are needed: free some, {advice}."


def _npm_problem() -> str | None:
    if shutil.which("npm") or any((ROOT / "viewer_static" / "dist").glob("*/*")):
        return None
    return "npm is missing (it fetches the viewer): install Node.js with npm, on Debian with `apt-get install npm`."


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Keep `home` for this process. Raises Refused when another demonstration runs there."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f"A demonstration already runs in {home}{_holder(home)}: stop it with Ctrl-C where it runs, or start "
                "another beside it with its own OVERREAD_HOME, OVERREAD_WEB_PORT and OVERREAD_DIMSE_PORT."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _holder(home: Path) -> str:
    pid = (home / "lock").read_text()
    return f" (process {pid})" if pid else ""


def stop_leftover_supervisor(home: Path) -> None:
    """Stop the processes of a demonstration that was killed before it could stop them itself. Needs `hold(home)`."""
    pid = _leftover_supervisor(home)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _leftover_supervisor(home) == pid:
        if time.monotonic() > deadline:
            raise Refused(f"Process {pid} is left from an earlier demonstration and does not stop: kill -9 {pid}")
        time.sleep(0.2)


def _leftover_supervisor(home: Path) -> int | None:
    """The process of a supervisor that still runs `home`'s configuration."""
    try:
        pid = int((home / "supervisord.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if str(home / "supervisord.conf") in command_of(pid) else None


def command_of(pid: int) -> str:
    """The command line of a process, or nothing when there is none: a number that was kept may be another's by now."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    ps = ["ps", "-o", "args=", "-p", str(pid)]  # macOS
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603


def main() -> int:
    """Print every problem; the exit status is 1 when there is any."""
    try:
        problems = check(Setup.of(os.environ))
    except Refused as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
