"""How long each part of a run took, and how much memory the process had meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from inference import memory

READING, LOADING, WRITING = "read series", "load models", "write files"
"""The entries under which reading the series, loading of models and writing of files are timed, beside the steps; none
of them can be a step's name."""


@dataclass(frozen=True)
class OperatorTiming:
    """What one step took.

    started: seconds from the run's begin; seconds: by the clock on the wall; peak_bytes: the largest resident memory of
    the process meanwhile, other steps that ran at the same time included.
    """

    step: str
    operator: str
    operator_version: str
    started: float
    seconds: float
    peak_bytes: int


OnStep = Callable[[OperatorTiming], None]


@dataclass
class RunClock:
    """Times the parts of one run, from its begin."""

    began: float = field(default_factory=time.perf_counter)
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def timed(self, step: str, operator: str = "", version: str = "") -> Iterator[list[OperatorTiming]]:
        """Time what happens inside; the list holds the one timing afterwards, and stays empty when it raises."""
        timings: list[OperatorTiming] = []
        began = self._begin()
        try:
            yield timings
            now = time.perf_counter()
            timings.append(
                OperatorTiming(step, operator, version, began - self.began, now - began, memory.peak_bytes())
            )
        finally:
            with self._lock:
                self._at_once -= 1

    def _begin(self) -> float:
        with self._lock:
            if self._at_once == 0:
                memory.reset_peak()
            self._at_once += 1
        return time.perf_counter()
