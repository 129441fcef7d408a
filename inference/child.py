"""The process that runs a worker's jobs: `python -m inference.child FD`, FD being its end of the worker's pipe.

It lives from job to job with its models loaded, may be killed at any moment, knows no database, and ends with its
worker. What goes wrong in it (a crash, a lack of memory, a hang) is its end, and not the worker's.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from inference import protocol
from inference.errors import InferenceError, RanTooLong
from inference.execution import WorkOrder, carry_out
from inference.protocol import Failed, Finished, Orders, Ready, StepEnded, Stop
from inference.timing import OperatorTiming

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.2
"""How long a new child waits for its first order before it imports the deep-learning framework ahead of need."""

_PR_SET_PDEATHSIG = 1
_FIRST_TO_KILL = "900"
"""See proc(5), oom_score_adj: the system, short of memory, ends this process before any other of the portal."""


def main() -> None:
    """Serve the worker at the other end of the pipe until it is gone."""
    logging.basicConfig(format="{asctime} {levelname} {name}: {message}", style="{", level=logging.INFO)
    faulthandler.enable()
    _end_with_worker()
    _be_killed_first()
    _Child(Connection(int(sys.argv[1]))).serve()


@dataclass
class _Child:
    worker: Connection
    running: set[str] = field(default_factory=set)
    stops: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        with suppress(EOFError, OSError):
            self._send(Ready())
            if not self.worker.poll(IDLE_SECONDS):
                _import_framework()
            gc.freeze()  # nothing that is here for good need be looked at between jobs
            while True:
                self._obey(protocol.receive_in_child(self.worker))
        if self.running:
            os._exit(1)  # nobody waits for what still runs

    def _obey(self, message: Orders | Stop) -> None:
        if isinstance(message, Stop):
            self.stops[message.run] = message.reason
            return
        self.stops.clear()
        self.running.update(order.run for order in message.orders)
        for order in message.orders:
            threading.Thread(target=self._run, args=(order,), name=f"run {order.run}", daemon=True).start()

    def _run(self, order: WorkOrder) -> None:
        ended = self._ended(order)
        with self._lock:
            self.running.discard(order.run)
        with suppress(OSError):  # the worker is gone, and so are we in a moment
            self._send(ended)
        if not self.running:
            _give_memory_back()

    def _ended(self, order: WorkOrder) -> Finished | Failed:
        try:
            report = carry_out(order, on_step=self._on_step(order.run))
        except BaseException as fault:  # noqa: BLE001 - whatever ends a run, even SystemExit, is told to the worker
            return _failure(order, fault)
        return Finished(run=order.run, report=report)

    def _on_step(self, run: str) -> Callable[[OperatorTiming], None]:
        def tell(timing: OperatorTiming) -> None:
            self._send(StepEnded(run=run, timing=timing))
            if run in self.stops:
                raise RanTooLong(self.stops[run])

        return tell

    def _send(self, message: Ready | StepEnded | Finished | Failed) -> None:
        with self._lock:
            protocol.send(self.worker, message)


def _failure(order: WorkOrder, fault: BaseException) -> Failed:
    if isinstance(fault, InferenceError):
        return Failed(run=order.run, reason=str(fault), is_permanent=fault.is_permanent)
    log.error("The run failed.", exc_info=fault)
    if isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Failed(run=order.run, reason=disk_full("the result's files"), is_permanent=False)
    reason = f"{type(fault).__name__}: {fault}. This is a fault of the portal, not of the exam."
    return Failed(run=order.run, reason=reason, is_permanent=False)


def disk_full(what: str) -> str:
    """The sentence for a disk that had no room for `what`."""
    return f"The store's disk is full: {what} could not be written, and nothing of them was kept. Make room on it."


def _end_with_worker() -> None:
    """Have the kernel kill this process when its worker dies, and leave the ending of it to the worker alone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _be_killed_first() -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL, encoding="ascii")


def _import_framework() -> None:
    from inference.backends import torchscript  # noqa: F401, PLC0415 - ahead of need, once nothing else is to be done


def _give_memory_back() -> None:
    """Return to the system what the last runs took, so that a long line of jobs leaves the process as it was."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # a C library other than GNU's
            ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
