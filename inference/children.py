"""The worker's side of the process that runs its jobs: started ahead of need, watched, killed, replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

from django.conf import settings
from pydantic import ValidationError

from inference import devices, protocol
from inference.devices import Device
from inference.protocol import Failed, Finished, Orders, Ready, StepEnded, Stop

ROOT = Path(__file__).resolve().parent.parent
LOG_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_STOP_SECONDS = 5
_THREADS = "OMP_NUM_THREADS"
_ALLOCATOR = "GLIBC_TUNABLES"
_KEEP_LARGE_BLOCKS = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592"
"""Arrays as large as a CT are else given back after each use, and clearing them anew takes longer than filling them."""


class ChildDied(Exception):
    """The child is gone. `how` it ended, in words; `is_permanent`: another attempt would end in the same way."""

    def __init__(self, how: str, *, is_permanent: bool) -> None:
        self.how = how
        self.is_permanent = is_permanent
        super().__init__(how)


@dataclass
class LogTail:
    """The end of what a process writes. Positions count all bytes that it ever wrote."""

    position: int = 0
    _kept: bytes = b""

    def add(self, more: bytes) -> None:
        self.position += len(more)
        self._kept = (self._kept + more)[-LOG_BYTES:]

    def since(self, position: int) -> str:
        """What came after `position`, of which the oldest may be missing."""
        new = self._kept[-(self.position - position) :] if self.position > position else b""
        return new.decode(errors="replace").replace("\0", "")


@dataclass
class Child:
    """A running child. One thread may use it."""

    process: subprocess.Popen[bytes]
    connection: Connection
    output: int
    is_ready: bool = False
    has_run: bool = False
    log: LogTail = field(default_factory=LogTail)

    @classmethod
    def start(cls, device: Device | None, *, threads: int) -> Child:
        """Start one that computes on `device`, with so many threads on the CPU.

        The kernel ends it together with the thread that called this, so call it from one that lasts.
        """
        ours, its = Pipe()
        output, its_output = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "inference.child", str(its.fileno()), str(os.getpid())],
                cwd=ROOT,
                env=_environment(device, threads),
                stdin=subprocess.DEVNULL,
                stdout=its_output,
                stderr=its_output,
                pass_fds=(its.fileno(),),
            )
        finally:
            its.close()
            os.close(its_output)
        os.set_blocking(output, False)
        return cls(process, ours, output)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def memory(self) -> tuple[int, int]:
        """Resident memory now, and at its peak since the child's last reset (`inference.memory`); bytes, 0 if gone."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return 0, 0
        sizes = {name: int(rest.split()[0]) * 1024 for name, rest in _lines(status) if name in {"VmRSS", "VmHWM"}}
        return sizes.get("VmRSS", 0), sizes.get("VmHWM", 0)

    def send(self, message: Orders | Stop) -> None:
        """Raises ChildDied."""
        try:
            self.has_run = True
            protocol.send(self.connection, message)
        except OSError:
            raise self._death() from None

    def messages(self, *, seconds: float) -> Iterator[StepEnded | Finished | Failed]:
        """What it says, as soon as it says something, or nothing after so many seconds. Raises ChildDied."""
        if self.output in wait([self.connection, *([self.output] if self.output >= 0 else [])], timeout=seconds):
            self._read_output()
        while self.connection.poll():
            try:
                message = protocol.receive_in_worker(self.connection)
            except (EOFError, OSError):
                raise self._death() from None
            except ValidationError as fault:
                self.kill()
                raise ChildDied(f"Its process said what nobody understands: {fault}", is_permanent=True) from fault
            if isinstance(message, Ready):
                self.is_ready = True
            else:
                yield message
        if not self.is_alive:
            raise self._death()

    def kill(self) -> None:
        """End it now, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.close()

    def stop(self) -> None:
        """Let it end in peace if it is idle, or kill it."""
        if self.is_ready:
            self.connection.close()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        self.kill()

    def close(self) -> None:
        """Let go of a child that has ended; its log stays."""
        self.connection.close()
        self._read_output()
        self._close_output()

    def _death(self) -> ChildDied:
        try:
            code = self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.close()
        return _died(code)

    def _read_output(self) -> None:
        with suppress(BlockingIOError):
            while self.output >= 0:
                more = os.read(self.output, _READ_BYTES)
                self.log.add(more)
                if not more:
                    self._close_output()

    def _close_output(self) -> None:
        if self.output >= 0:
            os.close(self.output)
            self.output = -1


@dataclass
class Keeper:
    """Keeps one child at hand for this process, on a GPU of its own where there are any."""

    sharing: int = 1
    """How many processes of this worker share the cores."""

    _child: Child | None = None
    _device: Device | None = None

    def child(self) -> Child:
        """The child, alive; a new one if the last one ended. Raises devices.NoDeviceLeft."""
        if self._child is None or not self._child.is_alive:
            self.drop()
            self._child = Child.start(self._hold_device(), threads=self._threads())
        return self._child

    def child_below(self, limit: int) -> Child:
        """The child, or a new one where models and leaks of earlier jobs fill half of `limit`, bytes, already."""
        child = self.child()
        return self.replace() if child.has_run and child.memory()[0] > limit / 2 else child

    def replace(self) -> Child:
        """Kill the child and start another."""
        self.drop()
        return self.child()

    def drop(self) -> None:
        """Kill the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def stop(self) -> None:
        """Let the child end in peace, because this process does."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _hold_device(self) -> Device | None:
        if self._device is None:
            self._device = devices.take(devices.visible())
        return self._device

    def _threads(self) -> int:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return settings.OVERREAD_GPU_THREADS or max(1, cores // max(self.sharing, len(devices.visible())))


keeper = Keeper()
"""The child of this process."""


def _lines(status: str) -> Iterator[tuple[str, str]]:
    for line in status.splitlines():
        name, _, rest = line.partition(":")
        yield name, rest


def _environment(device: Device | None, threads: int) -> dict[str, str]:
    environment = {**os.environ}
    environment.setdefault(_THREADS, str(threads))
    environment.setdefault(_ALLOCATOR, _KEEP_LARGE_BLOCKS)
    environment["PYTHONUNBUFFERED"] = "1"
    if device is not None:
        environment[devices.VISIBLE] = device.name
    return environment


def _died(code: int) -> ChildDied:
    if code >= 0:
        return ChildDied(f"Its process ended by itself (exit code {code}). The log may say why.", is_permanent=False)
    if -code in {signal.SIGKILL, signal.SIGTERM}:
        return ChildDied(
            "Its process was killed from outside, most likely because the machine ran short of memory.",
            is_permanent=False,
        )
    fault = signal.strsignal(-code) or f"signal {-code}"
    return ChildDied(
        f"Its process crashed ({fault.lower()}); the log says where. This is a fault of an operator or of what runs "
        "its model, not of the exam.",
        is_permanent=True,
    )
