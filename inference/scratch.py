"""Where a run's files lie until its result is stored: beside the store, so that moving them there is a rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from inference.models import Job

_CLAIM_LENGTH = 8
"""The last characters of `Job.worker`, which are another at every claim."""


@contextmanager
def folder(job: Job) -> Iterator[Path]:
    """An empty folder for one attempt of `job`, removed afterwards whatever happened."""
    made = _root() / f"{job.pk}-{job.worker[-_CLAIM_LENGTH:]}"
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep() -> int:
    """Remove the folders of attempts whose worker died; return how many there were."""
    root = _root()
    # The folders first: one that is made after this line belongs to a job that the next line sees.
    folders = sorted(root.iterdir()) if root.is_dir() else []
    if not folders:
        return 0
    running = Job.objects.filter(state=Job.State.RUNNING).values_list("pk", "worker")
    at_work = {f"{pk}-{worker[-_CLAIM_LENGTH:]}" for pk, worker in running}
    left = [one for one in folders if one.name not in at_work]
    for one in left:
        shutil.rmtree(one, ignore_errors=True)
    return len(left)


def _root() -> Path:
    return Path(settings.OVERREAD_STORE) / "scratch"
