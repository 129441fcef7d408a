from typing import Any

from celery import current_app
from celery.signals import worker_init, worker_process_init, worker_process_shutdown

from inference import comparisons, dispatch, engine, runner, scratch
from inference.children import keeper
from portal.tasks import job_task

A_DAY = 24 * 3600
"""Jobs have limits of their own, all shorter; this one is for a worker that hangs itself."""


@job_task(queue="ingest")
def dispatch_exams() -> None:
    dispatch.dispatch_exams()


@job_task(queue="ingest")
def sweep_jobs() -> None:
    engine.sweep()
    scratch.sweep()


@job_task(queue="gpu", seconds=A_DAY)
def run_next_job() -> None:
    runner.run_next()


@job_task(queue="reports", seconds=600)
def compare_results() -> None:
    comparisons.compare_waiting()


@worker_init.connect
def note_concurrency(sender: Any, **_: object) -> None:
    keeper.sharing = sender.concurrency or 1


@worker_process_init.connect
def get_ready(**_: object) -> None:
    if "gpu" in current_app.amqp.queues.consume_from:
        runner.get_ready()


@worker_process_shutdown.connect
def stop_child(**_: object) -> None:
    keeper.stop()
