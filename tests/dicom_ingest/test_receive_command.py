"""`manage.py receive` as a process."""

import socket
import subprocess

import pytest

from dicom_ingest import spool
from dicom_ingest.models import AETitle, Instance
from tests.dicom_ingest.receive_process import receive_process, start
from tests.dicom_ingest.scanner import HOST, Scanner, mr_series
from tests.dicom_ingest.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_receives_files_and_stops_when_told_to() -> None:
    AETitle.objects.create(title="BRAIN")
    with receive_process() as running:
        assert Scanner(port=running.port).send(mr_series(slices=3)) == [0x0000] * 3
        assert until(lambda: Instance.objects.count() == 3, seconds=30)
        running.process.terminate()
        assert running.process.wait(timeout=20) == 0
        assert until(lambda: running.members() == [])


def test_a_dead_indexer_is_started_again() -> None:
    AETitle.objects.create(title="BRAIN")
    with receive_process() as running:
        assert until(lambda: len(running.children("indexer")) == 1)
        running.kill_indexer()
        Scanner(port=running.port).send(mr_series(slices=1))
        assert until(lambda: Instance.objects.count() == 1, seconds=20)


def test_associations_wait_while_dead_listeners_are_started_again() -> None:
    AETitle.objects.create(title="BRAIN")
    with receive_process() as running:
        assert until(lambda: len(running.children("listener")) == 2)
        running.kill("listener")
        assert until(lambda: running.children("listener") == [])
        assert Scanner(port=running.port, patience=60).send(mr_series(slices=1)) == [0x0000]


def test_the_listener_runs_without_the_indexer_where_that_is_wanted() -> None:
    AETitle.objects.create(title="BRAIN")
    with receive_process("--only", "listener") as running:
        assert Scanner(port=running.port).send(mr_series(slices=1)) == [0x0000]
        assert running.members() == [running.process.pid]
        running.process.terminate()
        assert running.process.wait(timeout=20) == 0
    assert len(spool.waiting()) == 1


def test_its_children_end_when_the_receiver_is_killed() -> None:
    with receive_process() as running:
        assert until(lambda: len(running.members()) == 4)
        running.process.kill()
        assert until(lambda: running.members() == [], seconds=20)


def test_a_port_in_use_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port), stderr=subprocess.PIPE)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert told.strip().splitlines() == [
        f"CommandError: Port {port} on {HOST} is in use. Stop what listens there, "
        "or set OVERREAD_DIMSE_PORT to another port."
    ]


def test_an_address_that_is_not_ours_says_so() -> None:
    process = start("--host", "192.0.2.1", "--port", "0", stderr=subprocess.PIPE)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Cannot listen on 192.0.2.1:0" in told
