"""Peak memory of this process between two moments."""

from __future__ import annotations

import resource
from pathlib import Path

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"
"""See proc(5): writing 5 to clear_refs sets the peak resident set size to its present value."""


def reset_peak() -> None:
    """Forget the peak so far. Where the kernel does not allow that, `peak_bytes` keeps telling the process's own."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return


def peak_bytes() -> int:
    """The largest resident set size since `reset_peak`, in bytes."""
    try:
        status = _STATUS.read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024
