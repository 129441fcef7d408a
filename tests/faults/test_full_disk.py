"""The store's disk runs full: senders are told so, what was acknowledged stays, and room alone mends it."""

from collections.abc import Callable

import pytest
from django.test import Client
from pydicom.dataset import Dataset
from pytest_django import Settings

from dicom_ingest import spool, store
from dicom_ingest.models import AETitle, Instance, QuarantinedInstance
from tests.dicom_ingest import scans
from tests.dicom_ingest.receive_process import receive_process
from tests.dicom_ingest.scanner import Scanner, mr_slice
from tests.dicom_ingest.test_stow import post
from tests.dicom_ingest.waiting import until
from tests.faults.outbox import Outbox, kept

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

IMAGES = 60  # of 128 KiB each: twice what the disk holds
OUT_OF_RESOURCES = 0xA700


@pytest.fixture(autouse=True)
def no_watermark(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Lets the disk fill to its last byte, here and in the processes that are started."""
    settings.OVERREAD_MIN_FREE_BYTES = 0
    monkeypatch.setenv("OVERREAD_MIN_FREE_BYTES", "0")


def large_series(number: int) -> list[Dataset]:
    study = f"1.2.826.0.1.3680043.8.498.{number}"
    return [
        mr_slice(study=study, series=f"{study}.1", number=slice_number, rows=256, columns=256)
        for slice_number in range(1, IMAGES + 1)
    ]


def test_a_full_disk_refuses_and_loses_nothing_and_room_alone_mends_it(small_disk: Callable[[str], None]) -> None:
    AETitle.objects.create(title="BRAIN")
    images = large_series(1)
    with receive_process() as running:
        outbox = Outbox(scanner=Scanner(port=running.port))
        assert not outbox.deliver(images, within=4)
        on_full_disk = set(outbox.acknowledged)
        assert 0 < len(on_full_disk) < IMAGES
        assert outbox.refusals or outbox.lost_associations
        assert set(outbox.refusals) <= {OUT_OF_RESOURCES}
        assert Scanner(port=running.port).echoes()
        small_disk("64m")
        assert outbox.deliver(images[len(on_full_disk) :], within=20)
        assert until(lambda: spool.waiting() == [] and Instance.objects.count() == IMAGES, seconds=30)
    assert kept() == outbox.acknowledged
    assert len(outbox.acknowledged) == IMAGES
    assert QuarantinedInstance.objects.count() == 0


def test_stow_on_a_full_disk_stores_nothing_and_says_so(small_disk: Callable[[str], None], sender: Client) -> None:
    store.durable_folder(store.spool_folder())
    ballast = store.spool_folder().parent / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    response = post(sender, scans.mr_slice(1))
    assert response.status_code in {409, 503}
    assert Instance.objects.count() == 0
    assert list(store.spool_folder().iterdir()) == []
    ballast.unlink()
    assert post(sender, scans.mr_slice(1)).status_code == 200
