"""A real Triton server on the CPU, from the wheel nvidia-pytriton, in an environment of its own that is kept.

Its stub for Python models needs Debian's own Python and that Python's shared library: packages python3.11-venv and
libpython3.11 (SYSTEM_PACKAGES in the Makefile).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.inference.real_brain import CACHE
from tests.ports import free_port

PACKAGE = "nvidia-pytriton==0.7.0"
PYTHON = "/usr/bin/python3.11"
ENVIRONMENT = CACHE / "pytriton-0.7.0"
SCRIPT = Path(__file__).with_name("serve_with_pytriton.py")
INSTALL_SECONDS = 240
STARTS, START_SECONDS = 2, 60
"""PyTriton now and then says nothing and never serves; started again it does."""


def python() -> Path:
    """The Python that has pytriton; installed the first time."""
    ENVIRONMENT.mkdir(parents=True, exist_ok=True)
    whole = ENVIRONMENT / "installed"
    with (ENVIRONMENT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.is_file():
            _install(ENVIRONMENT / "venv")
            whole.touch()
    return ENVIRONMENT / "venv" / "bin" / "python"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([PYTHON, "-m", "venv", str(folder)], check=True, timeout=INSTALL_SECONDS)
    pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "install", "--quiet", PACKAGE]
    subprocess.run(pip, check=True, timeout=INSTALL_SECONDS)


@dataclass
class Server:
    """A server that can be killed and started again at the same address."""

    home: Path
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def start(self, *, output: str = "logits") -> None:
        """Serve `two-classes`, whose output has the given name, and wait until it is ready."""
        for _ in range(STARTS):
            self._launch(output)
            if self._is_ready():
                return
            self.kill()
        raise AssertionError(f"The server does not start. It said: {(self.home / 'server.log').read_text()}")

    def _launch(self, output: str) -> None:
        command = [str(python()), str(SCRIPT), str(self.grpc_port), str(self.http_port), output]
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | {"PYTRITON_HOME": str(self.home)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        patience = threading.Timer(START_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        patience.start()
        lines = iter(process.stdout.readline, "")  # ends when the server does
        is_ready = "READY\n" in lines
        patience.cancel()
        return is_ready

    def kill(self) -> None:
        """kill -9 of the server with all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None


@contextmanager
def running(home: Path) -> Iterator[Server]:
    """A server that is ready, and killed in the end."""
    server = Server(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()
