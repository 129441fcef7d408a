from portal.tasks import job_task
from studies import destinations, priors
from studies.annotation import dealing
from studies.blinding import ahead
from studies.cases import case_flow, enrolment, retention
from studies.evidence import mask_comparisons, reports
from studies.quality import preparation
from studies.reading import adjudication, assignment, panel, reassignment


@job_task(queue="ingest")
def enrol_exams() -> None:
    enrolment.enrol_complete_exams()


@job_task(queue="ingest")
def advance_cases() -> None:
    case_flow.advance()


@job_task(queue="ingest")
def queue_results() -> None:
    destinations.queue_results()


@job_task(queue="transfers", seconds=300)
def seek_priors() -> None:
    priors.seek()


@job_task(queue="ingest", seconds=300)
def assign_reads() -> None:
    reassignment.take_back()
    assignment.assign()
    adjudication.assign()
    panel.assign()
    dealing.assign()


@job_task(queue="ingest")
def warn_of_retention() -> None:
    retention.warn()


@job_task(queue="ingest", seconds=300)
def check_cases() -> None:
    ahead.check_cases()


@job_task(queue="ingest", seconds=300)
def prepare_reads() -> None:
    ahead.prepare_reads()


@job_task(queue="ingest", seconds=300)
def prepare_quality() -> None:
    preparation.prepare_waiting()


@job_task(queue="ingest")
def tidy_reads() -> None:
    ahead.tidy()
    preparation.tidy()


@job_task(queue="reports", seconds=300)
def compare_masks() -> None:
    mask_comparisons.compare_waiting()


@job_task(queue="reports", seconds=300)
def make_reports() -> None:
    reports.make_waiting()
