from feedback import correction_work
from portal.tasks import job_task


@job_task(queue="reports", seconds=600)
def measure_corrections() -> None:
    correction_work.measure_waiting()
