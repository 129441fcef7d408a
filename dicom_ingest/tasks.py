"""Celery's entrances."""

from django.conf import settings

from dicom_ingest import completion, rejections
from dicom_ingest.pacs import commitment, queue, work
from portal.tasks import job_task


@job_task(queue="ingest")
def complete_exams() -> None:
    """Complete the exams that became quiet, and see that those about to are not looked for too late."""
    completion.complete_exams()
    completion.look_ahead()


@job_task(queue="ingest")
def complete_due_exams() -> None:
    """Complete the exams that become quiet at this very moment."""
    completion.complete_exams()


@job_task(queue="ingest")
def forget_old_rejections() -> None:
    """Delete refused associations after the time that they are kept."""
    rejections.forget_old(days=settings.OVERREAD_REJECTION_DAYS)


@job_task(queue="transfers", seconds=3600)
def transfer_next() -> None:
    """Bring in or send what is next."""
    work.run_next()


@job_task(queue="ingest")
def sweep_transfers() -> None:
    """Find transfers that no message will bring."""
    commitment.remind()
    queue.sweep()
