from portal.accounts import directory_accounts
from portal.tasks import job_task


@job_task(queue="ingest")
def check_directory() -> None:
    directory_accounts.check_and_log()
