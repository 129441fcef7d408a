"""When an exam is complete on a route."""

import gzip
import json
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.db import connection, transaction
from kombu.exceptions import OperationalError
from pydicom.dataset import Dataset
from pytest_django import Settings

from dicom_ingest import store
from dicom_ingest.completion import LOOK, LOOKS_AHEAD, complete_exams, complete_now, look_ahead
from dicom_ingest.indexer import index, index_waiting
from dicom_ingest.models import AETitle, Exam, Route, Series
from dicom_ingest.tasks import complete_exams as task
from tests.dicom_ingest.scanner import mr_series
from tests.dicom_ingest.waiting import filed, spooled

pytestmark = pytest.mark.django_db

START = datetime(2024, 1, 31, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def brain(db: None) -> AETitle:
    return AETitle.objects.create(title="BRAIN", quiet_period_seconds=5)


def seconds_after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def arrive(dataset: Dataset, *, at: float, called_ae: str = "BRAIN", indexed: bool = True) -> None:
    path = spooled(dataset, called_ae=called_ae)
    moment = seconds_after(at).timestamp()
    os.utime(path, (moment, moment))
    if indexed:
        index(path)


def test_an_exam_completes_when_its_title_was_quiet_long_enough() -> None:
    arrive(mr_series(slices=1)[0], at=0)
    assert complete_exams(at=seconds_after(4.9)) == 0
    assert complete_exams(at=seconds_after(5)) == 1
    assert Route.objects.get().completed_at == seconds_after(5)
    assert complete_exams(at=seconds_after(6)) == 0


def test_every_instance_starts_the_quiet_period_again() -> None:
    first, second = mr_series(slices=2)
    arrive(first, at=0)
    arrive(second, at=4)
    assert complete_exams(at=seconds_after(8)) == 0
    assert complete_exams(at=seconds_after(9)) == 1


def test_a_repeat_while_the_exam_arrives_starts_the_quiet_period_again() -> None:
    first, second = mr_series(slices=2)
    arrive(first, at=0)
    arrive(second, at=1)
    arrive(first, at=4)
    assert complete_exams(at=seconds_after(8)) == 0
    assert complete_exams(at=seconds_after(9)) == 1


def test_a_title_that_nobody_set_up_has_the_default_quiet_period() -> None:
    arrive(mr_series(slices=1)[0], at=0, called_ae="STOW-RS")
    assert complete_exams(at=seconds_after(29)) == 0
    assert complete_exams(at=seconds_after(30)) == 1


def test_an_acknowledged_instance_that_still_waits_is_not_missed() -> None:
    first, second = mr_series(slices=2)
    arrive(first, at=0)
    arrive(second, at=3, indexed=False)
    assert complete_exams(at=seconds_after(100)) == 0
    index_waiting()
    assert complete_exams(at=seconds_after(100)) == 1
    assert Route.objects.get().received_instances == 2


def test_a_steady_stream_of_other_exams_delays_nobody() -> None:
    arrive(mr_series(slices=1)[0], at=0)
    arrive(mr_series(slices=1)[0], at=6, indexed=False)
    assert complete_exams(at=seconds_after(7)) == 1


def test_bytes_that_cannot_be_filed_do_not_block() -> None:
    arrive(mr_series(slices=1)[0], at=0)
    path = spooled(b"not DICOM")
    os.utime(path, (1, 1))
    assert complete_exams(at=seconds_after(10)) == 0
    index_waiting()
    assert complete_exams(at=seconds_after(10)) == 1


def test_each_route_of_an_exam_completes_for_itself() -> None:
    AETitle.objects.create(title="LIVER", quiet_period_seconds=60)
    (image,) = mr_series(slices=1)
    arrive(image, at=0)
    arrive(image, at=0, called_ae="LIVER")
    assert complete_exams(at=seconds_after(10)) == 1
    assert Route.objects.get(completed_at=None).called_ae == "LIVER"


def test_a_late_instance_makes_the_exam_incomplete_until_it_is_quiet_again() -> None:
    first, late = mr_series(slices=2)
    arrive(first, at=0)
    complete_exams(at=seconds_after(5))
    arrive(late, at=20)
    assert Route.objects.get().completed_at is None
    assert complete_exams(at=seconds_after(24)) == 0
    assert complete_exams(at=seconds_after(25)) == 1


def headers(series: Series) -> list[dict[str, dict[str, list[object]]]]:
    path = store.metadata_path(series.exam.study_instance_uid, series.series_instance_uid)
    read: list[dict[str, dict[str, list[object]]]] = json.loads(gzip.decompress(path.read_bytes()))
    return read


def test_completion_writes_each_series_metadata_in_the_order_of_its_instances() -> None:
    images = mr_series(slices=3)
    for image in reversed(images):
        arrive(image, at=0)
    complete_exams(at=seconds_after(5))
    assert [one["00200013"]["Value"] for one in headers(Series.objects.get())] == [[1], [2], [3]]


def test_completion_after_a_late_instance_renews_the_metadata() -> None:
    first, late = mr_series(slices=2)
    arrive(first, at=0)
    complete_exams(at=seconds_after(5))
    assert len(headers(Series.objects.get())) == 1
    arrive(late, at=20)
    complete_exams(at=seconds_after(25))
    assert len(headers(Series.objects.get())) == 2


def test_somebody_may_complete_an_exam_without_waiting() -> None:
    filed(mr_series(slices=1)[0])
    route = Route.objects.get()
    assert complete_now(route)
    assert not complete_now(route)
    assert Route.objects.get().is_complete


def test_the_scheduled_task_completes_exams() -> None:
    arrive(mr_series(slices=1)[0], at=0)
    task()
    assert Route.objects.get().is_complete


@pytest.mark.django_db(transaction=True)
def test_a_route_on_which_an_instance_is_being_filed_is_left_for_the_next_time() -> None:
    arrive(mr_series(slices=1)[0], at=0)
    held, done = threading.Event(), threading.Event()

    def file_slowly() -> None:
        with transaction.atomic():
            Route.objects.select_for_update().get()
            held.set()
            done.wait(timeout=5)
        connection.close()

    thread = threading.Thread(target=file_slowly)
    thread.start()
    held.wait(timeout=5)
    assert complete_exams(at=seconds_after(10)) == 0
    done.set()
    thread.join()
    assert complete_exams(at=seconds_after(10)) == 1


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that were sent."""
    sent: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: sent.append(name))
    return sent


@pytest.mark.django_db(transaction=True)
def test_who_acts_on_complete_exams_is_woken_at_once(woken: list[str], settings: Settings) -> None:
    settings.OVERREAD_ON_COMPLETION = ["one", "other"]
    arrive(mr_series(slices=1)[0], at=0)
    complete_exams(seconds_after(4))
    assert woken == []
    complete_exams(seconds_after(5))
    assert woken == ["one", "other"]
    complete_exams(seconds_after(6))
    assert woken == ["one", "other"]


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_an_exam_is_complete_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, **_: object) -> None:
        raise OperationalError(name)

    monkeypatch.setattr(current_app, "send_task", fail)
    arrive(mr_series(slices=1)[0], at=0)
    assert complete_exams(seconds_after(5)) == 1
    assert Route.objects.get().completed_at == seconds_after(5)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The looks that were asked for, in seconds from when they were."""
    asked: list[float] = []

    def send(name: str, *, countdown: float | None, **_: object) -> None:
        assert name == LOOK
        assert countdown is not None
        asked.append(countdown)

    monkeypatch.setattr(current_app, "send_task", send)
    return asked


def test_an_exam_that_becomes_quiet_before_the_next_tick_is_looked_for_at_that_moment(looks: list[float]) -> None:
    arrive(mr_series(slices=1)[0], at=0)
    look_ahead(seconds_after(3.9))
    assert looks == []
    look_ahead(seconds_after(4.4))
    assert looks == pytest.approx([0.61])
    look_ahead(seconds_after(5))
    assert len(looks) == 1


def test_a_complete_exam_is_not_looked_for(looks: list[float]) -> None:
    arrive(mr_series(slices=1)[0], at=0)
    Route.objects.update(completed_at=START)
    look_ahead(seconds_after(4.4))
    assert looks == []


def test_many_exams_are_looked_for_together(looks: list[float]) -> None:
    exam = exam_of_many_routes(2 * LOOKS_AHEAD)
    look_ahead(seconds_after(4.4))
    assert len(looks) == LOOKS_AHEAD
    assert exam.routes.count() > LOOKS_AHEAD


def exam_of_many_routes(routes: int) -> Exam:
    """An exam that arrived by so many routes at once."""
    arrive(mr_series(slices=1)[0], at=0)
    first = Route.objects.get()
    for number in range(routes):
        title = AETitle.objects.create(title=f"BRAIN{number}", quiet_period_seconds=5)
        Route.objects.create(exam=first.exam, called_ae=title.title, last_instance_at=first.last_instance_at)
    return first.exam
