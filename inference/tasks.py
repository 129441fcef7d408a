from inference import dispatch, engine, runner
from portal.tasks import job_task


@job_task(queue="ingest")
def dispatch_exams() -> None:
    dispatch.dispatch_exams()


@job_task(queue="ingest")
def sweep_jobs() -> None:
    engine.sweep()


@job_task(queue="gpu", seconds=3600)
def run_next_job() -> None:
    runner.run_next()
