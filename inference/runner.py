"""What a worker does when it is woken: take what is next, and have its child run it."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from inference import engine, scratch
from inference.children import keeper
from inference.devices import NoDeviceLeft
from inference.errors import sentence_of
from inference.models import Job
from inference.supervision import Supervision

logger = logging.getLogger(__name__)


def run_next() -> bool:
    """Run the job whose turn it is, and those that may run with it; then wake a worker for the next.

    False when none waited, or this worker has no GPU to run it on.
    """
    try:
        keeper.child()
    except NoDeviceLeft as lack:
        logger.error("No job is taken. %s", lack)  # noqa: TRY400 - whoever reads it needs no stack
        return False
    job = engine.claim_next()
    if job is None:
        return False
    run(job, *engine.claim_together(job))
    if Job.objects.claimable().exists():
        engine.hint()
    return True


def run(*jobs: Job) -> None:
    """Run claimed jobs in one child, until each has ended, is back in the queue, or was taken from us."""
    with ExitStack() as stack:
        folders = []
        for job in jobs:
            try:
                folders.append((job, stack.enter_context(scratch.folder(job))))
            except OSError as fault:
                engine.give_back(job, sentence_of(fault))
        if folders:
            Supervision.of(folders, keeper).until_ended()


def get_ready() -> None:
    """Start the child ahead of the first job."""
    try:
        keeper.child()
    except NoDeviceLeft as lack:
        logger.error("%s", lack)  # noqa: TRY400
