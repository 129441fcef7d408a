"""Ctrl-C, a closed terminal and SIGTERM all mean one thing: stop in order."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ONCE_MORE_SECONDS = 2.0


class Interrupts:
    """Turns such a signal into KeyboardInterrupt, once: people press Ctrl-C twice, and a closed terminal tells twice.

    Python drops what is raised in a finaliser or a callback of a library in C. An interrupt that lands there would be
    lost, and so it is raised again after some seconds, until stopping has begun.
    """

    def __init__(self) -> None:
        self._deferred = False
        self._pending = False
        self._interrupted = False
        for number in SIGNALS:
            signal.signal(number, self._arrived)
        signal.signal(signal.SIGALRM, self._interrupt)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _write_to_nobody()
        if self._deferred:
            self._pending = True
        elif not self._interrupted:
            self._interrupt()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        signal.setitimer(signal.ITIMER_REAL, ONCE_MORE_SECONDS)
        raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let what must not be left half done run to its end first, or fail, and only then be interrupted.

        Processes started within inherit SIGINT blocked: unless they see to it themselves, they live through the
        terminal's Ctrl-C until they are stopped in order.
        """
        self._deferred = True
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            self._deferred = False
            if self._pending:
                self._interrupt()

    @contextmanager
    def ignored_afterwards(self) -> Iterator[None]:
        """From the end of this block on, whatever ended it, nothing interrupts any more, what it starts included."""
        try:
            yield
        finally:
            self._interrupted = True
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)


def _write_to_nobody() -> None:
    """The terminal is gone, and writing to it would fail in the middle of stopping."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, 1)
    os.dup2(nobody, 2)
    os.close(nobody)
