"""The one way to declare background work."""

from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

from celery import Task, shared_task  # noqa: TID251 - the one place that may

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
