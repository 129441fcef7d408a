from portal.tasks import job_task
from studies import enrolment


@job_task(queue="ingest")
def enrol_exams() -> None:
    enrolment.enrol_complete_exams()
