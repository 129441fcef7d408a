"""What a child does for its worker: carry out orders, in threads of this one process, and tell how they go."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from inference import protocol
from inference.backends.batching import Gathering
from inference.errors import InferenceError, RanTooLong, is_permanent, sentence_of
from inference.execution import WorkOrder, carry_out
from inference.protocol import Failed, Finished, Orders, Ready, StepEnded, Stop
from inference.timing import OperatorTiming

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.2
"""How long a new child waits for its first order before it imports the deep-learning framework ahead of need."""


def serve(worker: Connection) -> None:
    """Carry out what the worker orders, until it hangs up."""
    logging.basicConfig(format="{asctime} {levelname} {name}: {message}", style="{", level=logging.INFO)
    # As in the portal's settings: both repeat the values that they complain of, birth dates among them.
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")
    _Service(worker).serve()


@dataclass
class _Service:
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
        together = Gathering(parties=len(message.orders)).party if message.orders[1:] else nullcontext
        for order in message.orders:
            threading.Thread(target=self._run, args=(order, together), name=f"run {order.run}", daemon=True).start()

    def _run(self, order: WorkOrder, together: Callable[[], AbstractContextManager[None]]) -> None:
        with together():
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
    if not isinstance(fault, InferenceError):
        log.error("The run failed.", exc_info=fault)
    return Failed(run=order.run, reason=sentence_of(fault), is_permanent=is_permanent(fault))


def _import_framework() -> None:
    from inference.backends import torchscript  # noqa: F401, PLC0415 - ahead of need, once nothing else is to be done


def _give_memory_back() -> None:
    """Return to the system what the last runs took, so that a long line of jobs leaves the process as it was."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # a C library other than GNU's
            ctypes.CDLL(None).malloc_trim(0)
