"""Keeps the receiver's processes running. It loads nothing of Django: all it holds are their listening sockets.

The process that opened the sockets becomes this one (`become`), so its id and its parent stay the same.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

_logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.2
_RESTART_SECONDS = 1.0
_STOP_SECONDS = 8.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The commands to keep running, and the descriptors that each inherits."""

    commands: list[list[str]]
    sockets: list[int]


@dataclass
class _Child:
    """One process of the receiver, started again whenever it dies."""

    command: list[str]
    sockets: list[int]
    process: "subprocess.Popen[bytes] | None" = None
    not_before: float = 0.0

    def keep_alive(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            name = self.command[self.command.index("--only") + 1]
            _logger.error("The %s ended (%s) and is started again.", name, self.process.returncode)
            self.process, self.not_before = None, time.monotonic() + _RESTART_SECONDS
        if self.process is None and time.monotonic() >= self.not_before:
            command = [*self.command, "--supervisor", str(os.getpid())]
            self.process = subprocess.Popen(command, pass_fds=self.sockets)  # noqa: S603 - our own command

    def terminate(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def end(self, *, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def become(plan: Plan) -> NoReturn:
    """Replace this process by the supervisor of `plan`; the sockets have to be inheritable."""
    sys.stdout.flush()
    os.chdir(Path(__file__).resolve().parent.parent)
    os.execv(  # noqa: S606 - our own module
        sys.executable, [sys.executable, "-m", "dicom_ingest.supervision", json.dumps(asdict(plan))]
    )


def supervise(plan: Plan) -> None:
    """Keep the commands of `plan` running until told to stop."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    children = [_Child(command, plan.sockets) for command in plan.commands]
    while not asked:
        for child in children:
            child.keep_alive()
        time.sleep(_TICK_SECONDS)
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for child in children:
        child.end(deadline=deadline)


if __name__ == "__main__":
    logging.basicConfig(format="{asctime} {levelname} {name}: {message}", style="{", level=logging.INFO)
    supervise(Plan(**json.loads(sys.argv[1])))
