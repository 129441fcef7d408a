"""The one way to declare background work, and the one way to have it done soon."""

import logging
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

from celery import Task, current_app, shared_task  # noqa: TID251 - the one place that may
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

HINT_SECONDS = 60
"""A hint that nobody took for so long is dropped; the scheduler's next one takes its place."""

P = ParamSpec("P")
R = TypeVar("R")
Queue = Literal["ingest", "gpu", "reports", "transfers"]


def job_task(*, queue: Queue, seconds: int = 60) -> Callable[[Callable[P, R]], "Task[P, R]"]:
    """Declare a Celery task that survives its worker.

    Acknowledged after it ran and given back when its worker dies, so a message is lost only with the broker (and
    then a sweeper finds the work again). `seconds` is the soft time limit; the hard one follows 30 s later.
    """

    def declare(function: Callable[P, R]) -> "Task[P, R]":
        task: Task[P, R] = shared_task(
            queue=queue,
            acks_late=True,
            reject_on_worker_lost=True,
            soft_time_limit=seconds,
            time_limit=seconds + 30,
        )(function)
        return task

    return declare


def hint(*works: str, queue: Queue, after: float = 0) -> None:
    """Have a worker of `queue` do the named tasks soon, `after` so many seconds.

    The database says what there is to do, so without a broker nothing is lost: the scheduler has it found again.
    """
    try:
        for work in works:
            current_app.send_task(work, queue=queue, countdown=after or None, expires=HINT_SECONDS, retry=False)
    except OperationalError as fault:
        logger.warning("The broker cannot be reached (%s); the scheduler will wake a worker later.", fault)
