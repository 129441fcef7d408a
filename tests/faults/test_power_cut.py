"""A power cut drops what was not fsynced: no image that was acknowledged is among it, at any moment of its way."""

import shutil
from pathlib import Path

import pytest
from django.db import connection

from dicom_ingest import store
from dicom_ingest.models import AETitle, Instance
from tests.dicom_ingest.receive_process import receive_process
from tests.dicom_ingest.scanner import Scanner, mr_series
from tests.dicom_ingest.waiting import until
from tests.faults.durable import Disk, is_response, replay, traced

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

IMAGES = 12


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where the system calls are written; fails where they cannot be watched, rather than prove nothing."""
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed: apt-get install strace. Without it nothing proves the order of fsyncs.")
    AETitle.objects.create(title="BRAIN")
    return tmp_path / "trace"


def test_every_image_outlasts_a_power_cut_from_the_moment_it_is_acknowledged(trace: Path) -> None:
    """One at a time, so that the k-th response speaks of the k-th image."""
    with receive_process("--only", "listener") as running, traced(running.process.pid, trace):
        assert Scanner(port=running.port).send(mr_series(slices=IMAGES)) == [0x0000] * IMAGES
    disk, safe_at_response = Disk(store.spool_folder().parents[1]), []
    for call in replay(trace):
        if is_response(call):
            safe_at_response.append(len([one for one in disk.survivors(store.spool_folder()) if one.suffix == ".dcm"]))
        if call.result is not None:
            disk.apply(call)
    assert safe_at_response == list(range(1, IMAGES + 1))


def test_at_every_moment_of_its_filing_an_image_outlasts_a_power_cut(trace: Path) -> None:
    """Filed, repeated and quarantined: a name leaves the spool only after another one of the same file is sure."""
    images = mr_series(slices=IMAGES)
    (conflict,) = mr_series(slices=1, study=images[0].StudyInstanceUID, series=images[0].SeriesInstanceUID)
    conflict.PixelData = bytes(len(conflict.PixelData))
    with receive_process() as running, traced(running.process.pid, trace):
        assert Scanner(port=running.port).send([*images, conflict]) == [0x0000] * (IMAGES + 1)
        assert until(
            lambda: Instance.objects.count() == IMAGES and not list(store.spool_folder().iterdir()), seconds=30
        )
    disk, unsafe, taken = Disk(store.spool_folder().parents[1]), [], 0
    for call in replay(trace):
        if call.result is None:
            continue
        if call.name.startswith("unlink") and call.texts[0].parent == store.spool_folder():
            taken += call.texts[0].suffix == ".dcm"
            unsafe += [] if is_safe_elsewhere(disk, call.texts[0]) else [call.texts[0]]
        disk.apply(call)
    assert taken == IMAGES + 1
    assert unsafe == []


def is_safe_elsewhere(disk: Disk, path: Path) -> bool:
    """Whether the file of the spool has a sure name under exams/ or quarantine/."""
    elsewhere = disk.survivors(store.exams_folder()) | disk.survivors(store.quarantine_folder())
    return disk.file(path) in {disk.file(one) for one in elsewhere}


def test_the_database_of_the_house_waits_for_the_disk_too() -> None:
    with connection.cursor() as cursor:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("on",)
