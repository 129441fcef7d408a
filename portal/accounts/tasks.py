from portal.tasks import job_task


@job_task(queue="ingest")
def check_directory() -> None:
    from portal.accounts import directory_check  # noqa: PLC0415 - needs the extra `ldap`

    directory_check.check_and_log()
