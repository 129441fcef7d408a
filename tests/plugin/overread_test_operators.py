"""An operator that misbehaves on demand, as an installed package of somebody else's would bring it."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from pathlib import Path

import numpy as np

from inference.errors import ModelFetchFailed, OperatorContractBroken
from inference.operators.registry import operator
from inference.operators.values import Image, Mask, Measurement, SourceSeries

LEAK_BYTES = 32 * 1024**2


@operator("test-act", version="1.0.0")
def act(series: SourceSeries, *, what: str, seconds: float = 0.0, place: str = "") -> Measurement:
    """Do `what`, after or for so many seconds, and answer how many images there are.

    place: a folder in which it leaves a trace, or finds one.
    """
    print(f"acting: {what}", flush=True)
    if place:
        (Path(place) / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    ACTS[what](seconds, place, len(series.instances))
    return Measurement(float(len(series.instances)) if what != "nan" else float("nan"), "1")


@operator("test-split", version="1.0.0")
def split(image: Image) -> Mask:
    """What is brighter than the mean."""
    return Mask(image.with_array((image.array > image.array.mean()).astype(np.uint8)))


def _answer(seconds: float, place: str, images: int) -> None:
    time.sleep(seconds)


def _leak(seconds: float, place: str, images: int) -> None:
    leaked = []
    while True:
        leaked.append(np.ones(LEAK_BYTES, dtype=np.uint8))
        time.sleep(0.01)


def _hang(seconds: float, place: str, images: int) -> None:
    """Hang without ever letting another thread of the process run."""
    ctypes.PyDLL(None).sleep(10_000)


def _crash(seconds: float, place: str, images: int) -> None:
    ctypes.string_at(0)


def _crash_for_two(seconds: float, place: str, images: int) -> None:
    if images == 2:
        ctypes.string_at(0)
    time.sleep(seconds)


def _crash_once(seconds: float, place: str, images: int) -> None:
    """End the process as the system does, unless that was done before."""
    if len(list(Path(place).iterdir())) == 1:
        os.kill(os.getpid(), 9)


def _leave(seconds: float, place: str, images: int) -> None:
    os._exit(3)


def _exit(seconds: float, place: str, images: int) -> None:
    raise SystemExit


def _reshape(seconds: float, place: str, images: int) -> None:
    raise OperatorContractBroken("The network was given (1, 1, 8, 8) and answered (1, 8).")


def _gone(seconds: float, place: str, images: int) -> None:
    """A server that is away until `place` holds a file called `back`."""
    if not (Path(place) / "back").exists():
        raise ModelFetchFailed("The model's server does not answer.")


def _full(seconds: float, place: str, images: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _nothing(seconds: float, place: str, images: int) -> None:
    pass


ACTS = {
    "answer": _answer,
    "leak": _leak,
    "hang": _hang,
    "crash": _crash,
    "crash for two": _crash_for_two,
    "be killed once": _crash_once,
    "leave": _leave,
    "exit": _exit,
    "reshape": _reshape,
    "be gone": _gone,
    "fill": _full,
    "nan": _nothing,
}
