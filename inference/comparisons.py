"""What is compared once a job has succeeded: a rerun with its first job, a segmentation with other pipelines'.

The database says what waits for it; the message after each job only makes it soon.
"""

from __future__ import annotations

from portal import tasks

WORK = "inference.tasks.compare_results"


def hint() -> None:
    """Have a worker look at once; without a broker the next tick of the scheduler does."""
    tasks.hint(WORK, queue="reports")


def compare_waiting() -> int:
    """Compare all that waits for it; return how many reruns and structures were compared."""
    # Imported by the worker that compares, not by every process that hints: they read images.
    from inference import agreement, repeatability  # noqa: PLC0415

    reruns = list(repeatability.waiting().values_list("pk", flat=True))
    for job_id in reruns:
        repeatability.compare(job_id)
    return len(reruns) + agreement.compare_waiting()
