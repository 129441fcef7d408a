"""Kills, races, a lost database and a full disk: nothing is lost and nothing counted twice."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import connection

from dicom_ingest import filing, indexer, spool, store
from dicom_ingest.header import Header
from dicom_ingest.indexer import Outcome, index, index_waiting
from dicom_ingest.models import Instance, QuarantinedInstance, Route, Series
from tests.dicom_ingest.outage import database_away
from tests.dicom_ingest.scanner import encoded, mr_series
from tests.dicom_ingest.waiting import filed, frame, image, path_of, quarantined, spooled, until

pytestmark = pytest.mark.django_db

Reason = QuarantinedInstance.Reason


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> None:
    def die(*_arguments: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(name, die)
        with pytest.raises(Killed):
            index(path)


@pytest.mark.parametrize(
    "moment",
    [
        "dicom_ingest.indexer.read_header",
        "dicom_ingest.filing._place",
        "dicom_ingest.store.write_durably",
        "dicom_ingest.filing.touch_route",
        "pathlib.Path.unlink",
    ],
)
def test_a_kill_at_any_moment_loses_nothing_and_counts_nothing_twice(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spooled(image())
    killed_at(monkeypatch, moment, path)
    assert spool.waiting() == [path]
    index_waiting()
    assert Instance.objects.get().repeats == 0
    assert Route.objects.get().received_instances == 1
    assert spool.waiting() == []
    assert path_of(Instance.objects.get()).is_file()


def test_a_kill_between_commit_and_removal_is_no_repeat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = spooled(image())
    (tmp_path / "kept").hardlink_to(path)
    index(path)
    (tmp_path / "kept").rename(path)  # as if the last step had never run
    assert index(path) == Outcome(instance=Instance.objects.get())
    assert Instance.objects.get().repeats == 0
    assert Route.objects.get().received_instances == 1
    assert spool.waiting() == []


def test_a_kill_while_quarantining_lists_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = spooled(b"not DICOM at all")
    killed_at(monkeypatch, "dicom_ingest.models.QuarantinedInstance.objects.update_or_create", path)
    index_waiting()
    assert QuarantinedInstance.objects.count() == 1
    assert spool.waiting() == []


def test_a_leftover_of_another_file_gives_way() -> None:
    """A kill after linking, and then other bytes of the same UID come first: the row and the file must agree."""
    dataset = image()
    leftover = store.instance_path(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"of a process that was killed")
    instance = filed(dataset)
    assert frame(instance) == dataset.PixelData


def test_a_uid_that_another_series_took_meanwhile_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = image()
    filed(dataset)
    truly, seen = filing.existing, []

    def blind_once(header: Header, series: Series) -> Instance | None:
        seen.append(header.sop_uid)
        return None if len(seen) == 1 else truly(header, series)

    monkeypatch.setattr(filing, "existing", blind_once)
    dataset.SeriesInstanceUID = "1.2.3.4"
    assert quarantined(dataset).reason == Reason.CONFLICT
    assert len(seen) == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_contents_that_race_one_is_filed_and_the_other_quarantined() -> None:
    for number in range(8):
        dataset = image(StudyInstanceUID=f"1.2.{number}")
        paths = [spooled(dataset)]
        dataset.PixelData = b"\7" * 512
        paths.append(spooled(dataset))
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(index_and_hang_up, paths))
        (instance,) = [one.instance for one in outcomes if one.instance]
        (row,) = [one.quarantined for one in outcomes if one.quarantined]
        assert row.reason == Reason.CONFLICT
        assert sha256(path_of(instance).read_bytes()[-len(encoded(dataset)) :]).hexdigest() == instance.sha256


def index_and_hang_up(path: Path) -> Outcome:
    try:
        return index(path)
    finally:
        connection.close()


def test_a_file_that_another_process_took_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    path = spooled(image())
    monkeypatch.setattr(spool, "waiting", lambda: [path.with_name("gone.dcm"), path])
    assert len(index_waiting()) == 1
    with pytest.raises(FileNotFoundError):
        index(path)


def test_a_defect_keeps_the_file_in_quarantine_and_lets_the_others_pass(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = mr_series(slices=2)
    first, _ = (spooled(one) for one in sent)
    os.utime(first, (1, 1))
    truly = filing._instance_columns

    def break_on_the_first(header: Header) -> dict[str, object]:
        if header.sop_uid == sent[0].SOPInstanceUID:
            raise ZeroDivisionError(header.dataset.PatientName)
        return truly(header)

    monkeypatch.setattr(filing, "_instance_columns", break_on_the_first)
    outcomes = index_waiting()
    assert [one.instance is not None for one in outcomes] == [False, True]
    row = QuarantinedInstance.objects.get()
    assert (row.reason, row.file_name) == (Reason.NOT_FILED, first.name)
    assert "ZeroDivisionError" in row.explanation
    assert "ZeroDivisionError" in caplog.text
    assert "Birch" not in caplog.text + row.explanation


@contextmanager
def indexing() -> Iterator[None]:
    """The indexer at work in a thread of its own, with a connection of its own."""
    stop = threading.Event()

    def work() -> None:
        indexer.run(should_stop=stop.is_set)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_the_indexer_outlives_the_database_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexer, "_RETRY_SECONDS", 0.05)
    first, second = mr_series(slices=2)
    with caplog.at_level("INFO"), indexing():
        spooled(first)
        assert until(lambda: spool.waiting() == [])
        with database_away():
            spooled(second)
            assert until(lambda: "nothing is lost" in caplog.text)
            time.sleep(0.3)
            assert len(spool.waiting()) == 1
        assert until(lambda: spool.waiting() == [])
        assert until(lambda: "Indexing goes on" in caplog.text)
    assert Instance.objects.count() == 2
    assert caplog.text.count("nothing is lost") == 1
    assert "Birch" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_indexer_waits_for_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.setattr(indexer, "_RETRY_SECONDS", 0.05)
    store.mkdir()
    (store / "exams").write_bytes(b"in the way of the folder")
    with indexing():
        spooled(image())
        time.sleep(0.3)
        assert len(spool.waiting()) == 1
        (store / "exams").unlink()
        assert until(lambda: spool.waiting() == [])
    assert Instance.objects.count() == 1
