"""The portal's processes under one supervisor, which starts again what dies and stops all of them together."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from portal.demo.preflight import ROOT, STOP_SECONDS, Refused

SOCKET_PATH_BYTES = 90  # Linux allows 107, macOS 103, and the supervisor binds a longer name first
START_SECONDS = 20
GROUP = "overread"


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process of the portal. `stop_seconds` is what it gets to end its work before it is killed."""

    name: str
    arguments: tuple[str, ...]
    stop_seconds: int = 10

    @property
    def command(self) -> str:
        return shlex.join((sys.executable, *self.arguments))


def _worker(queues: str) -> tuple[str, ...]:
    name = f"{queues.partition(',')[0]}@%h"
    quiet = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return ("-m", "celery", "-A", "portal", "worker", "-Q", queues, "-c", "1", "-n", name, *quiet)


PROGRAMS = (
    Program(name="receiver", arguments=("manage.py", "receive")),
    # A job of the demonstration takes seconds; one that takes longer is found again by the sweeper.
    Program(name="worker-gpu", arguments=_worker("gpu"), stop_seconds=20),
    Program(name="worker-ingest", arguments=_worker("ingest,reports")),
    # Of its own: a remote may take its time, and completing exams must not wait for it.
    Program(name="worker-transfers", arguments=_worker("transfers")),
    Program(name="scheduler", arguments=("-m", "celery", "-A", "portal", "beat", "--pidfile=", "--loglevel", "INFO")),
    Program(name="web", arguments=("manage.py", "serve")),
)


@dataclass(frozen=True, kw_only=True)
class State:
    """One process as the supervisor sees it; `pid` is 0 while it is down."""

    name: str
    status: str
    pid: int
    log: Path

    @property
    def is_failing(self) -> bool:
        """Whether it ended as soon as it was started."""
        return self.status in {"BACKOFF", "FATAL"}


class Supervisor:
    """What may be asked of the supervisor of `home`, from any process."""

    def __init__(self, home: Path) -> None:
        self._url = f"unix://{socket_path(home)}"
        self._log = home / "logs" / "supervisor.log"

    def states(self) -> list[State]:
        """Every process as it is now. Raises Refused when the supervisor is gone."""
        try:
            with self._calls() as calls:
                found = calls.supervisor.getAllProcessInfo()
        except OSError as error:
            raise Refused(f"The supervisor is gone; its last words are in {self._log}") from error
        return [_state(one) for one in found]

    def restart(self, name: str) -> None:
        """Stop one process and start it again; returns when it runs."""
        with self._calls() as calls:
            calls.supervisor.stopProcess(f"{GROUP}:{name}")
            calls.supervisor.startProcess(f"{GROUP}:{name}")

    def answers(self) -> bool:
        """Whether it can be spoken to."""
        try:
            with self._calls() as calls:
                calls.supervisor.getState()
        except OSError:
            return False
        return True

    def _calls(self) -> Any:
        """XML-RPC as any, for the supervisor's interface has no types. A connection each: it drops idle ones."""
        return ServerProxy("http://localhost", transport=SupervisorTransport(serverurl=self._url))


def _state(info: dict[str, Any]) -> State:
    return State(
        name=info["name"],
        status=info["statename"],
        pid=info["pid"],
        log=Path(info["stdout_logfile"]),
    )


@contextmanager
def running(home: Path, programs: tuple[Program, ...] = PROGRAMS) -> Iterator[Supervisor]:
    """Run `programs` with this process's environment, their logs in `home/logs`; stop them at the end.

    They do not hear the terminal's Ctrl-C, so that they stop in order and not all at once.
    Raises Refused when the supervisor does not start, or does not stop.
    """
    (home / "logs").mkdir(parents=True, exist_ok=True)
    configuration = home / "supervisord.conf"
    with configuration.open("w") as stream:
        _configuration(home, programs).write(stream)
    command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--silent", "--configuration"]
    with _socket_folder(home):
        process = subprocess.Popen(  # noqa: S603
            [*command, str(configuration)], start_new_session=True, stdin=subprocess.DEVNULL, cwd=ROOT
        )
        try:
            supervisor = Supervisor(home)
            _wait_for(supervisor, process, home)
            yield supervisor
        finally:
            groups = _groups(home)
            _stop(process)
            _kill(groups)


def _groups(home: Path) -> list[int]:
    """The process groups of the running programs: the supervisor gives each its own, named after its first process."""
    try:
        return [state.pid for state in Supervisor(home).states() if state.pid]
    except Refused:
        return []  # it never started, so nothing runs below it


def _kill(groups: list[int]) -> None:
    """End children that outlived their parents."""
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _wait_for(supervisor: Supervisor, process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if supervisor.answers():
            return
        time.sleep(0.1)
    raise Refused(f"The supervisor did not start; its last words are in {home / 'logs' / 'supervisor.log'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired as error:
        advice = f"kill -9 {process.pid} ends it, its children have to be looked for"
        raise Refused(f"The supervisor (process {process.pid}) does not stop: {advice}.") from error


def socket_path(home: Path) -> Path:
    """Where the supervisor of `home` listens: beside its data, or in a private folder when that name is too long."""
    beside = home / "supervisor.sock"
    if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"overread-{os.getuid()}-{digest}" / "supervisor.sock"


@contextmanager
def _socket_folder(home: Path) -> Iterator[None]:
    """Make the folder of the socket, for this user alone, where it is not the home itself; remove it afterwards."""
    folder = socket_path(home).parent
    if folder == home:
        yield
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise Refused(f"{folder} belongs to another user: remove it, or choose a shorter OVERREAD_HOME.")
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(home: Path, programs: tuple[Program, ...]) -> RawConfigParser:
    parser = RawConfigParser()
    parser["supervisord"] = {
        "logfile": _literal(home / "logs" / "supervisor.log"),
        "logfile_maxbytes": "5MB",
        "logfile_backups": "2",
        "pidfile": _literal(home / "supervisord.pid"),
        "nocleanup": "true",
        **({"user": "root"} if os.getuid() == 0 else {}),  # said out loud, or the supervisor warns
    }
    parser["unix_http_server"] = {"file": _literal(socket_path(home)), "chmod": "0600"}
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    # A group stops all at once; programs on their own would each wait for the one before.
    parser[f"group:{GROUP}"] = {"programs": ",".join(program.name for program in programs)}
    for program in programs:
        parser[f"program:{program.name}"] = _program_section(home, program)
    return parser


def _program_section(home: Path, program: Program) -> dict[str, str]:
    return {
        "command": _literal(program.command),
        "umask": "077",  # what is received belongs to patients
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "100000",  # each waits a second longer than the one before
        "stopwaitsecs": str(program.stop_seconds),
        # The signal goes to the parent alone, which ends its children in order (Celery's would die at once); what is
        # left after that is killed as a group.
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _literal(home / "logs" / f"{program.name}.log"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }


def _literal(value: Path | str) -> str:
    """A value that the supervisor takes as it stands; it would expand what follows a percent sign."""
    return str(value).replace("%", "%%")
