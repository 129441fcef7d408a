"""Celery's entrances."""

from dicom_ingest import completion
from portal.tasks import job_task


@job_task(queue="ingest")
def complete_exams() -> None:
    """Complete the exams that became quiet."""
    completion.complete_exams()
