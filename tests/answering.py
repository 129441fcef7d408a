"""Django's live server for tests, which has answered all before the database is emptied. A plugin of pytest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from pytest_django.live_server_helper import LiveServer

LONGEST_SECONDS = 10.0
QUIET_SECONDS = 0.1
"""A request that waits in the socket has begun by then."""


class Unanswered:
    """How many requests the server's threads work on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._changed = time.monotonic()

    def begin(self, **_signal: object) -> None:
        self._add(1)

    def end(self, **_signal: object) -> None:
        self._add(-1)

    def are_none(self) -> bool:
        """Whether there have been none for a moment."""
        with self._lock:
            return self._count <= 0 and time.monotonic() - self._changed > QUIET_SECONDS

    def _add(self, one: int) -> None:
        if threading.current_thread() is threading.main_thread():
            return  # a test's own client
        with self._lock:
            self._count += one
            self._changed = time.monotonic()


@pytest.fixture
def live_server(live_server: LiveServer) -> Iterator[LiveServer]:
    """A page that is closed may have asked for something still: emptying tables meanwhile ends in a deadlock."""
    unanswered = Unanswered()
    request_started.connect(unanswered.begin)
    request_finished.connect(unanswered.end)
    yield live_server
    deadline = time.monotonic() + LONGEST_SECONDS
    while not unanswered.are_none() and time.monotonic() < deadline:
        time.sleep(0.02)
    request_started.disconnect(unanswered.begin)
    request_finished.disconnect(unanswered.end)
