"""The process that runs a worker's jobs: `python -m inference.child FD WORKER`.

FD is its end of the worker's pipe, WORKER the worker's process id. It lives from job to job with its models loaded, may
be killed at any moment, knows no database, and ends with its worker. What goes wrong in it (a crash, a lack of memory,
a hang) is its end, and not the worker's.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FIRST_TO_KILL = "900"
"""See proc(5), oom_score_adj: the system, short of memory, ends this process before any other of the portal."""


def main(descriptor: int, worker: int) -> None:
    """Serve the worker at the other end of the pipe until it is gone."""
    faulthandler.enable()
    _end_with(worker)
    _be_killed_first()
    from inference import serving  # noqa: PLC0415 - takes seconds, through which the above must hold already

    serving.serve(Connection(descriptor))


def _end_with(worker: int) -> None:
    """Have the kernel kill this process when its worker dies, and leave the ending of it to the worker alone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker:
        sys.exit("The worker died before its child had begun.")


def _be_killed_first() -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL, encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
