from portal.audit import anchors
from portal.tasks import job_task


@job_task(queue="ingest")
def write_anchor() -> None:
    anchors.write()
