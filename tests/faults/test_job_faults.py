"""What a model does wrong is the end of its job, in words; never of the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from dicom_ingest.models import Series
from dicom_ingest.store import series_folder
from inference import engine, results, runner
from inference.children import Keeper
from inference.execution import Report
from inference.models import Job, PipelineLimits, Result
from tests.acting import IMAGES, Stage, received_series

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch, keeper: Keeper, settings: Settings) -> Keeper:
    """This process is a worker; its jobs' child knows the operator that misbehaves."""
    settings.OVERREAD_JOB_BACKOFF_SECONDS = 0.0
    monkeypatch.setattr(runner, "keeper", keeper)
    monkeypatch.setattr(engine, "hint", lambda: None)
    return keeper


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where operators leave traces."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def ended(job: Job) -> Job:
    """`job`, after the worker ran whatever waits."""
    while runner.run_next():
        pass
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("crash", "crashed (segmentation fault)"),
        ("nan", "values that are no numbers"),
        ("reshape", "answered (1, 8)"),
    ],
)
def test_a_permanent_fault_fails_the_job_at_once(stage: Stage, what: str, reason: str) -> None:
    job = ended(stage.job(what))
    assert (job.state, job.attempts) == (Job.State.FAILED, 1)
    assert reason in job.reason
    assert f"acting: {what}" in job.log
    assert job.peak_memory_mb is not None
    assert job.peak_memory_mb > 50
    assert ended(stage.job()).state == Job.State.SUCCEEDED


def test_the_log_says_where_a_model_crashed(stage: Stage) -> None:
    assert "_crash" in ended(stage.job("crash")).log


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("leave", "ended by itself (exit code 3)"),
        ("exit", "SystemExit"),
        ("fill", "No space left on device"),
    ],
)
def test_a_fault_that_may_pass_is_tried_again_to_the_last_attempt(stage: Stage, what: str, reason: str) -> None:
    job = ended(stage.job(what, max_attempts=2))
    assert (job.state, job.attempts) == (Job.State.FAILED, 2)
    assert reason in job.reason
    assert "It was tried 2 times." in job.reason
    assert ended(stage.job()).state == Job.State.SUCCEEDED


def test_a_leak_ends_at_the_limit_and_says_how_much_it_took(stage: Stage) -> None:
    PipelineLimits.objects.create(name="leaking", memory_mb=600)
    job = ended(stage.job("leak", name="leaking"))
    assert (job.state, job.attempts) == (Job.State.FAILED, 1)
    assert "Out of memory" in job.reason
    assert "of the 600 MiB" in job.reason
    assert job.peak_memory_mb is not None
    assert 600 < job.peak_memory_mb < 1200


def test_a_hang_is_killed_at_the_hard_limit(stage: Stage) -> None:
    PipelineLimits.objects.create(name="hanging", soft_seconds=1, hard_seconds=2)
    began = time.monotonic()
    job = ended(stage.job("hang", name="hanging"))
    assert job.state == Job.State.FAILED
    assert "It hung: it had not ended after 2 s" in job.reason
    assert time.monotonic() - began < 40


def test_a_job_over_its_soft_limit_ends_at_its_step_and_leaves_the_child_warm(stage: Stage, worker: Keeper) -> None:
    PipelineLimits.objects.create(name="slow", soft_seconds=1, hard_seconds=60)
    pid = worker.child().process.pid
    job = ended(stage.job(seconds=2.0, name="slow"))
    assert (job.state, job.attempts) == (Job.State.FAILED, 1)
    assert "longer than the 1 s that it may take" in job.reason
    assert worker.child().process.pid == pid


def test_jobs_follow_each_other_in_one_child(stage: Stage, worker: Keeper, place: Path) -> None:
    jobs = [stage.job(place=str(place)) for _ in range(3)]
    assert [ended(job).state for job in jobs] == [Job.State.SUCCEEDED] * 3
    assert len({trace.name.partition("-")[0] for trace in place.iterdir()}) == 1
    for result in Result.objects.all():
        assert result.measurements.get().value == IMAGES
        assert [run.step for run in result.job.operators.all()] == ["read series", "act", "write files"]


def test_a_cancelled_job_is_killed_within_two_seconds(stage: Stage, worker: Keeper, place: Path) -> None:
    job = stage.job("answer", seconds=60.0, place=str(place))
    cancelled: list[float] = []
    thread = threading.Thread(target=_cancel_at_work, args=(job, place, cancelled))
    thread.start()
    child = worker.child().process
    job = ended(job)
    took = time.monotonic() - cancelled[0]
    thread.join()
    assert took < 2
    assert child.poll() is not None
    assert job.state == Job.State.CANCELLED
    assert "acting: answer" in job.log
    assert job.peak_memory_mb
    assert not Result.objects.exists()
    assert ended(stage.job()).state == Job.State.SUCCEEDED


def _cancel_at_work(job: Job, place: Path, cancelled: list[float]) -> None:
    try:
        while not list(place.iterdir()):
            time.sleep(0.02)
        cancelled.append(time.monotonic())
        assert engine.cancel(job.pk)
    finally:
        connection.close()


def test_a_child_that_is_killed_costs_its_job_one_attempt(stage: Stage, place: Path) -> None:
    job = ended(stage.job("be killed once", place=str(place)))
    assert (job.state, job.attempts) == (Job.State.SUCCEEDED, 2)
    assert Result.objects.count() == 1


def test_a_server_that_is_gone_for_a_while_is_waited_for(stage: Stage, place: Path) -> None:
    job = stage.job("be gone", place=str(place), max_attempts=3)
    assert runner.run_next()
    job.refresh_from_db()
    assert (job.state, job.reason) == (Job.State.QUEUED, "The model's server does not answer.")
    (place / "back").touch()
    job = ended(job)
    assert (job.state, job.attempts, job.reason) == (Job.State.SUCCEEDED, 2, "")


def test_a_full_disk_stops_the_writing_of_a_segmentation_and_room_mends_it(
    stage_on_small_disk: Stage, settings: Settings
) -> None:
    job = stage_on_small_disk.job(name="segmenting")
    with _full(settings.OVERREAD_STORE):
        assert runner.run_next()
        job.refresh_from_db()
        assert job.state == Job.State.QUEUED
        assert job.reason.startswith("The store's disk is full")
        assert _left_behind(settings.OVERREAD_STORE) == []
    assert ended(job).state == Job.State.SUCCEEDED
    assert _left_behind(settings.OVERREAD_STORE) == []


def test_a_disk_that_fills_before_the_result_is_stored_keeps_none_of_it(
    stage_on_small_disk: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = stage_on_small_disk.job(name="segmenting")

    def store_on_full_disk(job: Job, report: Report) -> Result:
        with _full(settings.OVERREAD_STORE):
            return store(job, report)

    store = results.store
    with monkeypatch.context() as patch:
        patch.setattr(results, "store", store_on_full_disk)
        assert runner.run_next()
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED
    assert job.reason.startswith("The store's disk is full")
    assert not Result.objects.exists()
    assert _left_behind(settings.OVERREAD_STORE) == []
    assert set((settings.OVERREAD_STORE / "exams").glob("*/*")) == {_folder_of(stage_on_small_disk.series)}

    assert ended(job).state == Job.State.SUCCEEDED
    assert len(list((settings.OVERREAD_STORE / "exams").glob("*/*"))) == 2
    assert Result.objects.get().segmentation is not None


def test_a_job_that_finds_no_place_for_its_files_is_tried_again(stage: Stage, settings: Settings) -> None:
    job = stage.job()
    (settings.OVERREAD_STORE / "scratch").write_text("a file where the folder should be")
    assert runner.run_next()
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED
    assert job.reason.startswith("NotADirectoryError")
    (settings.OVERREAD_STORE / "scratch").unlink()
    assert ended(job).state == Job.State.SUCCEEDED


@pytest.fixture
def stage_on_small_disk(small_disk: Callable[[str], None], request: pytest.FixtureRequest) -> Stage:
    stage: Stage = request.getfixturevalue("stage")
    return stage


@contextmanager
def _full(store: Path) -> Iterator[None]:
    """Fill the small disk to its last byte."""
    ballast = store / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


def _left_behind(store: Path) -> list[Path]:
    return [path for folder in ("scratch", "spool") for path in (store / folder).rglob("*") if path.is_file()]


def _folder_of(series: Series) -> Path:
    return series_folder(series.exam.study_instance_uid, series.series_instance_uid)


@pytest.fixture
def together(db: None) -> None:
    """Jobs of the pipeline may run together."""
    PipelineLimits.objects.create(name="acting", batch_size=4)


@pytest.mark.usefixtures("together")
def test_jobs_that_run_together_end_each_for_itself(stage: Stage, place: Path) -> None:
    jobs = [stage.job(seconds=1.0, place=str(place)) for _ in range(3)]
    assert runner.run_next()
    begun = sorted(trace.stat().st_mtime for trace in place.iterdir())
    assert begun[-1] - begun[0] < 1.0  # the last began before the first had ended
    assert len({trace.name.partition("-")[0] for trace in place.iterdir()}) == 1
    for job in jobs:
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED
        assert [run.step for run in job.operators.all()] == ["read series", "act", "write files"]
        assert job.result.measurements.get().value == IMAGES


@pytest.mark.usefixtures("together")
def test_of_jobs_that_run_together_the_one_that_crashes_fails_and_the_others_succeed(stage: Stage) -> None:
    small = received_series(2)
    series = [stage.series, small, stage.series]
    jobs = [stage.job("crash for two", seconds=2.0, series=one) for one in series]
    assert runner.run_next()
    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.attempts) == (Job.State.QUEUED, 1)
        assert "It is tried alone." in job.reason
    assert [ended(job).state for job in jobs] == [Job.State.SUCCEEDED, Job.State.FAILED, Job.State.SUCCEEDED]
    assert "segmentation fault" in ended(jobs[1]).reason
    assert {ended(job).attempts for job in jobs} == {2}


@pytest.mark.usefixtures("together")
def test_cancelling_one_of_several_jobs_leaves_the_others_alone(stage: Stage, place: Path, worker: Keeper) -> None:
    jobs = [stage.job(seconds=3.0, place=str(place)) for _ in range(2)]
    cancelled: list[float] = []
    thread = threading.Thread(target=_cancel_at_work, args=(jobs[0], place, cancelled))
    thread.start()
    child = worker.child().process.pid
    states = [ended(job).state for job in jobs]
    thread.join()
    assert states == [Job.State.CANCELLED, Job.State.SUCCEEDED]
    assert Result.objects.count() == 1
    assert {trace.name.partition("-")[0] for trace in place.iterdir()} == {str(child)}


@pytest.mark.timeout(600)
def test_memory_stays_flat_over_two_hundred_jobs(stage: Stage, worker: Keeper) -> None:
    _run(stage, 20)
    before = worker.child().memory()[0]
    _run(stage, 180)
    assert worker.child().memory()[0] - before < 16 * 1024**2
    assert Job.objects.filter(state=Job.State.SUCCEEDED).count() == 200


def _run(stage: Stage, jobs: int) -> None:
    for _ in range(jobs):
        stage.job()
    while runner.run_next():
        pass
