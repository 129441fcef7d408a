"""Which GPU this worker's jobs run on: each visible device serves one worker of a machine at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from django.conf import settings

VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")
_LIST = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")


class NoDeviceLeft(Exception):
    """Every visible GPU serves another worker of this machine."""


@dataclass(frozen=True)
class Device:
    """A device that this process holds for as long as `lock` is open. name: as CUDA_VISIBLE_DEVICES has it."""

    name: str
    lock: IO[bytes]


def visible() -> tuple[str, ...]:
    """The devices that the environment allows, or all that there are; none on a machine without a GPU.

    As CUDA reads it, the list ends at the first number below zero.
    """
    named = os.environ.get(VISIBLE)
    if named is None:
        return _installed()
    devices: list[str] = []
    for name in (part.strip() for part in named.split(",")):
        if not name or name.startswith("-"):
            break
        if name not in devices:
            devices.append(name)
    return tuple(devices)


def take(names: Sequence[str]) -> Device | None:
    """Hold the first of `names` that is free, or None where there are none. Raises NoDeviceLeft."""
    for name in names:
        lock = _lock(name)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return Device(name, lock)
    if not names:
        return None
    raise NoDeviceLeft(
        f"Every GPU that this worker may use ({', '.join(names)}) serves another worker of this machine. "
        f"Start one worker for each GPU, or name the others in {VISIBLE}."
    )


def _lock(name: str) -> IO[bytes]:
    folder = Path(settings.OVERREAD_STORE) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    label = hashlib.sha256(f"{socket.gethostname()} {name}".encode()).hexdigest()[:16]
    return (folder / f"gpu-{label}").open("ab")


@cache
def _installed() -> tuple[str, ...]:
    if not _DRIVER.is_dir():
        return ()
    try:
        listed = subprocess.run(_LIST, check=True, capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return tuple(str(number) for number, _ in enumerate(_DRIVER.iterdir()))
    return tuple(listed.stdout.split())
