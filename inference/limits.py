"""What one job may take: time and memory, by its pipeline's own limits or the installation's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from inference.models import PipelineLimits

BYTES_PER_MIB = 1024**2
LONGEST_SECONDS = 23 * 3600
"""No limit of time is longer, because the worker's own task has to outlive every job."""

_MEMINFO = Path("/proc/meminfo")
_OF_THE_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_SHARE = 0.8


@dataclass(frozen=True)
class Limits:
    """soft_seconds: after so long a job is told to stop; hard_seconds: after so long its process is killed;
    memory_bytes: with more resident memory its process is killed."""

    soft_seconds: float
    hard_seconds: float
    memory_bytes: int


def limits_of(pipeline: str) -> Limits:
    """The limits of a job of the pipeline of that name."""
    own = PipelineLimits.objects.filter(name=pipeline).first() or PipelineLimits(name=pipeline)
    hard = min(own.hard_seconds or settings.OVERREAD_JOB_HARD_SECONDS, LONGEST_SECONDS)
    return Limits(
        soft_seconds=min(own.soft_seconds or settings.OVERREAD_JOB_SOFT_SECONDS, hard),
        hard_seconds=hard,
        memory_bytes=(own.memory_mb or settings.OVERREAD_JOB_MEMORY_MB) * BYTES_PER_MIB or _share_of_the_machine(),
    )


def _share_of_the_machine() -> int:
    """Four fifths of the memory that this machine or container has, bytes."""
    total = next(line for line in _MEMINFO.read_text(encoding="ascii").splitlines() if line.startswith("MemTotal:"))
    memory = int(total.split()[1]) * 1024
    if _OF_THE_CONTAINER.is_file():
        text = _OF_THE_CONTAINER.read_text(encoding="ascii").strip()
        memory = min(memory, int(text)) if text.isdigit() else memory
    return int(memory * _SHARE)
