"""The receiver is killed in the middle of an association: every acknowledged instance is there after its restart."""

import threading
from pathlib import Path

import pytest

from dicom_ingest import spool
from dicom_ingest.models import AETitle, Instance, QuarantinedInstance, Route
from tests.dicom_ingest.receive_process import receive_process
from tests.dicom_ingest.scanner import Scanner, mr_series
from tests.dicom_ingest.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("kill_after", [1, 7, 23])
def test_every_instance_acknowledged_before_a_kill_is_filed_after_the_restart(kill_after: int, store: Path) -> None:
    AETitle.objects.create(title="BRAIN")
    images = mr_series(slices=60)
    acknowledged: list[str] = []
    with receive_process() as running:
        association = Scanner(port=running.port).associate()
        association.dimse_timeout = association.acse_timeout = 2
        killer = threading.Event()

        def kill() -> None:
            killer.wait()
            running.kill_all()

        thread = threading.Thread(target=kill)
        thread.start()
        for image in images:
            if len(acknowledged) == kill_after:
                killer.set()
            if not association.is_established:
                break
            status = association.send_c_store(image)
            if "Status" in status and status.Status == 0x0000:
                acknowledged.append(image.SOPInstanceUID)
        thread.join()
    assert kill_after <= len(acknowledged) < len(images)
    with receive_process() as running:
        assert until(lambda: spool.waiting() == [], seconds=20)
        filed = set(Instance.objects.values_list("sop_instance_uid", flat=True))
        assert set(acknowledged) <= filed
        assert QuarantinedInstance.objects.count() == 0
        statuses = Scanner(port=running.port).send(images)
        assert statuses == [0x0000] * len(images)
        assert until(lambda: Instance.objects.count() == len(images), seconds=20)
        assert until(lambda: spool.waiting() == [], seconds=20)
    assert Route.objects.get().received_instances == len(images)
    assert len(list((store / "exams").rglob("*.dcm"))) == len(images)


def test_the_indexer_killed_again_and_again_files_everything_once() -> None:
    AETitle.objects.create(title="BRAIN")
    images = mr_series(slices=40)
    with receive_process() as running:
        scanner = Scanner(port=running.port)
        for start in range(0, len(images), 10):
            assert scanner.send(images[start : start + 10]) == [0x0000] * 10
            running.kill_indexer()
        assert until(lambda: Instance.objects.count() == len(images), seconds=30)
        assert until(lambda: spool.waiting() == [], seconds=20)
    assert Route.objects.get().received_instances == len(images)
    assert set(Instance.objects.values_list("repeats", flat=True)) == {0}
