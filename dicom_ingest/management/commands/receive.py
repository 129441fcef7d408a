"""`manage.py receive`: the DIMSE receiver, and the indexer that files what it took."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dicom_ingest import indexer, receiver
from portal.demo.preflight import loopback_problem

_logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.2
_RESTART_SECONDS = 1.0
_STOP_SECONDS = 8.0


class Command(BaseCommand):
    help = "Receive exams over DICOM (C-STORE, C-ECHO) and file them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.OVERREAD_DIMSE_HOST, help="Address to listen on")
        parser.add_argument("--port", type=int, default=settings.OVERREAD_DIMSE_PORT, help="Port, 0 for any free one")
        parser.add_argument("--only", choices=("listener", "indexer"), help="Run one of the two processes")
        parser.add_argument(
            "--supervisor", type=int, help="End with the process of this id (set by the command itself)"
        )

    def handle(self, *, host: str, port: int, only: str | None, supervisor: int | None, **_options: Any) -> None:
        if settings.OVERREAD_DEMO and (problem := loopback_problem("--host", host)):
            raise CommandError(problem)
        should_stop = _stop_on_signal()
        if only == "indexer":
            indexer.run(should_stop=lambda: should_stop() or supervisor not in (None, os.getppid()))
            return
        try:
            with receiver.listening(host, port) as bound:
                self.stdout.write(f"receiving on {host}:{bound}")
                self.stdout.flush()
                _idle(should_stop) if only == "listener" else _keep_indexing(should_stop)
        except OSError as error:
            raise CommandError(_advice(error, host=host, port=port)) from error


def _stop_on_signal() -> Callable[[], bool]:
    """Whether the process was asked to stop."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return lambda: bool(asked)


def _advice(error: OSError, *, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. Stop what listens there, or set OVERREAD_DIMSE_PORT to another port."
    return f"Cannot listen on {host}:{port}: {error.strerror}. Set OVERREAD_DIMSE_HOST and OVERREAD_DIMSE_PORT."


def _idle(should_stop: Callable[[], bool]) -> None:
    while not should_stop():
        time.sleep(_TICK_SECONDS)


def _keep_indexing(should_stop: Callable[[], bool]) -> None:
    """Run the indexer as a process of its own, and again whenever it dies."""
    child = _start_indexer()
    while not should_stop():
        time.sleep(_TICK_SECONDS)
        if child.poll() is not None:
            _logger.error("The indexer ended (%s) and is started again.", child.returncode)
            time.sleep(_RESTART_SECONDS)
            child = _start_indexer()
    child.terminate()
    try:
        child.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _start_indexer() -> subprocess.Popen[bytes]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "receive", "--only", "indexer"]
    return subprocess.Popen([*command, "--supervisor", str(os.getpid())])  # noqa: S603 - our own command
