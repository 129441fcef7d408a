"""`manage.py receive`: processes that take associations on one port, and the indexer that files what they took.

The command itself only holds the listening sockets and restarts what dies. Its children inherit the sockets, so that
whichever is free takes the next association, and one that waits outlives the death of a child.
"""

import errno
import os
import signal
import socket
import ssl
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dicom_ingest import supervision
from portal.demo.preflight import loopback_problem

_TICK_SECONDS = 0.2
_BACKLOG = 128
_FEWEST_PROCESSES, _MOST_PROCESSES = 2, 8


class Command(BaseCommand):
    help = "Receive exams over DICOM (C-STORE, C-ECHO) and file them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.OVERREAD_DIMSE_HOST, help="Address to listen on")
        parser.add_argument("--port", type=int, default=settings.OVERREAD_DIMSE_PORT, help="Port, 0 for any free one")
        parser.add_argument(
            "--tls-port", type=int, default=settings.OVERREAD_DIMSE_TLS_PORT, help="Port for TLS, 0 for any free one"
        )
        parser.add_argument(
            "--processes", type=int, default=settings.OVERREAD_DIMSE_PROCESSES, help="That take associations"
        )
        parser.add_argument("--only", choices=("listener", "indexer"), help="Run one process of the one kind")
        internal = parser.add_argument_group("set by the command itself for its children")
        internal.add_argument("--supervisor", type=int, help="End with the process of this id")
        internal.add_argument("--announce", action="store_true", help="Say so when associations are taken")
        internal.add_argument("--socket", type=int, help="Descriptor of the listening socket")
        internal.add_argument("--tls-socket", type=int, help="Descriptor of the listening socket for TLS")

    def handle(self, *, host: str, only: str | None, supervisor: int | None, **options: Any) -> None:
        if settings.OVERREAD_DEMO and (problem := loopback_problem("--host", host)):
            raise CommandError(problem)
        asked = _asked_to_stop()

        def should_stop() -> bool:
            return asked() or supervisor not in (None, os.getppid())

        if only == "indexer":
            from dicom_ingest import indexer  # noqa: PLC0415 - each process loads what it needs

            return indexer.run(should_stop=should_stop)
        if supervisor is not None:
            sockets = (_inherited(options["socket"]), _inherited(options["tls_socket"]))
            return self._receive(*sockets, should_stop, announced_host=host if options["announce"] else None)
        plain = self._listen(host, options["port"]) if settings.OVERREAD_DIMSE_PLAIN else None
        secured = self._listen(host, options["tls_port"]) if _tls() else None
        if plain is None and secured is None:
            raise CommandError("Nothing to listen on: OVERREAD_DIMSE_PLAIN is off and no certificate for TLS is set.")
        if only == "listener":
            return self._receive(plain, secured, should_stop, announced_host=host)
        if should_stop():
            return None
        return _supervise(plain, secured, processes=options["processes"], host=host)

    def _listen(self, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise CommandError(_advice(error, host=host, port=port)) from error

    def _receive(
        self,
        plain: socket.socket | None,
        secured: socket.socket | None,
        should_stop: Callable[[], bool],
        *,
        announced_host: str | None,
    ) -> None:
        """Take associations in this process until told to stop; say so first, unless nobody is to be told."""
        from dicom_ingest.receiver import receiving  # noqa: PLC0415 - the indexer needs none of it

        listening = [(one, tls) for one, tls in ((plain, None), (secured, _tls())) if one is not None]
        with receiving(*listening):
            for one, tls in listening if announced_host else ():
                note = " with TLS" if tls else ""
                self.stdout.write(f"receiving on {announced_host}:{one.getsockname()[1]}{note}")
            self.stdout.flush()
            while not should_stop():
                time.sleep(_TICK_SECONDS)


def _asked_to_stop() -> Callable[[], bool]:
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


def _tls() -> ssl.SSLContext | None:
    """What TLS needs, None without a certificate. Raises CommandError when a file of it cannot be used."""
    certificate, authority = settings.OVERREAD_DIMSE_TLS_CERTIFICATE, settings.OVERREAD_DIMSE_TLS_CLIENT_CA
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195, as PS3.15, B.12 has it
    try:
        context.load_cert_chain(certificate, settings.OVERREAD_DIMSE_TLS_KEY or None)
        if authority:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise CommandError(
            f"TLS cannot be offered: {error}. Correct OVERREAD_DIMSE_TLS_CERTIFICATE, OVERREAD_DIMSE_TLS_KEY "
            "and OVERREAD_DIMSE_TLS_CLIENT_CA."
        ) from error
    return context


def _inherited(descriptor: int | None) -> socket.socket | None:
    return None if descriptor is None else socket.socket(fileno=descriptor)


def _supervise(plain: socket.socket | None, secured: socket.socket | None, *, processes: int, host: str) -> None:
    """Become the supervisor: the same process, without what Django holds in memory."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py"), "receive"]
    sockets = {
        option: listening.fileno()
        for option, listening in (("--socket", plain), ("--tls-socket", secured))
        if listening is not None
    }
    listener = [*manage, "--only", "listener"]
    for option, descriptor in sockets.items():
        os.set_inheritable(descriptor, True)
        listener += [option, str(descriptor)]
    listeners = processes or min(max(os.cpu_count() or 1, _FEWEST_PROCESSES), _MOST_PROCESSES)
    first = [*listener, "--announce", "--host", host]
    plan = supervision.Plan(
        commands=[[*manage, "--only", "indexer"], first, *([listener] * (listeners - 1))],
        sockets=list(sockets.values()),
    )
    supervision.become(plan)
