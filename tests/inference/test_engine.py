"""Jobs always end, once, whatever happens to their workers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from dicom_ingest.models import Series
from inference import engine
from inference.models import Job, OperatorRun, Result, ResultObject
from tests.inference.conftest import MakeJob

pytestmark = pytest.mark.django_db


def lapse(job: Job) -> None:
    """Let the job's lease run out, as when its worker was killed."""
    Job.objects.filter(pk=job.pk).update(lease_expires_at=now() - timedelta(seconds=1))


def pass_the_pause() -> timedelta:
    """Let the time pass that a job has to wait before its next attempt; return how long it was."""
    job = Job.objects.get()
    assert job.not_before is not None
    Job.objects.update(not_before=now())
    return job.not_before - now()


def claimed() -> Job:
    job = engine.claim_next()
    assert job is not None
    return job


def test_the_job_that_has_waited_longest_is_claimed_first(make_job: MakeJob) -> None:
    make_job(fingerprint="new")
    old = make_job(fingerprint="old", created_at=now() - timedelta(hours=1))

    assert claimed().pk == old.pk


def test_an_urgent_job_goes_first_but_no_other_waits_for_ever(make_job: MakeJob) -> None:
    made = {
        name: make_job(fingerprint=name, priority=priority, created_at=now() - timedelta(hours=hours))
        for name, priority, hours in (
            ("batch of yesterday", "batch", 24),
            ("batch", "batch", 1),
            ("routine", "routine", 0),
            ("urgent", "urgent", 0),
        )
    }
    order = [claimed().pk for _ in made]
    assert order == [made[name].pk for name in ("batch of yesterday", "urgent", "routine", "batch")]


def test_a_claimed_job_is_not_claimed_again_while_its_lease_lasts(make_job: MakeJob) -> None:
    make_job()
    claimed()

    assert engine.claim_next() is None


def test_a_job_whose_worker_died_is_retaken_and_its_old_worker_may_not_end_it(make_job: MakeJob) -> None:
    make_job()
    first = claimed()
    lapse(first)
    second = claimed()

    assert (second.pk, second.attempts) == (first.pk, 2)
    with pytest.raises(engine.LeaseLost):
        engine.succeed(first, store_result=lambda: pytest.fail("stored the result of a lost job"))
    engine.succeed(second, store_result=lambda: None)
    assert Job.objects.get().state == Job.State.SUCCEEDED


def test_a_retaken_job_forgets_the_operators_of_the_lost_attempt(make_job: MakeJob) -> None:
    job = make_job()
    OperatorRun.objects.create(job=job, position=1, step="a", operator="a", seconds=1, peak_memory_mb=1)

    assert not claimed().operators.exists()


def test_renewing_keeps_the_job_and_losing_it_is_noticed(make_job: MakeJob) -> None:
    make_job()
    job = claimed()
    lapse(job)
    engine.renew(job)
    assert engine.claim_next() is None

    engine.cancel(job.pk)
    with pytest.raises(engine.LeaseLost):
        engine.renew(job)


def test_a_job_whose_workers_die_every_time_fails_visibly(make_job: MakeJob) -> None:
    make_job(max_attempts=2)
    for _ in range(2):
        lapse(claimed())

    assert engine.sweep() == 0
    job = Job.objects.get()
    assert job.state == Job.State.FAILED
    assert "worker died" in job.reason


def test_a_passing_fault_is_tried_again_until_no_attempt_is_left(make_job: MakeJob) -> None:
    make_job(max_attempts=2)
    engine.give_back(claimed(), "The disk was full.")
    assert Job.objects.get().state == Job.State.QUEUED

    pass_the_pause()
    engine.give_back(claimed(), "The disk was full.")
    job = Job.objects.get()
    assert job.state == Job.State.FAILED
    assert job.reason == "The disk was full. It was tried 2 times."


def test_the_pause_before_another_attempt_doubles(make_job: MakeJob, settings: Settings) -> None:
    settings.OVERREAD_JOB_BACKOFF_SECONDS = 10.0
    make_job(max_attempts=4)
    pauses = []
    for _ in range(3):
        engine.give_back(claimed(), "The server was gone.")
        assert engine.claim_next() is None
        pauses.append(pass_the_pause().total_seconds())

    assert [round(pause, -1) for pause in pauses] == [10, 20, 40]


def test_a_permanent_fault_is_not_tried_again(make_job: MakeJob) -> None:
    make_job(max_attempts=3)
    engine.fail(claimed(), "The exam has no slices.")

    job = Job.objects.get()
    assert (job.state, job.attempts, job.reason) == (Job.State.FAILED, 1, "The exam has no slices.")
    assert engine.claim_next() is None


def test_a_result_that_cannot_be_stored_leaves_the_job_running(make_job: MakeJob) -> None:
    def break_down() -> None:
        raise OSError("disk full")

    make_job()
    job = claimed()
    with pytest.raises(OSError, match="disk full"):
        engine.succeed(job, store_result=break_down)

    assert Job.objects.get().state == Job.State.RUNNING


def test_a_cancelled_job_can_be_retried_and_an_ended_one_cannot_be_cancelled(make_job: MakeJob) -> None:
    job = make_job()
    assert engine.cancel(job.pk)
    assert not engine.cancel(job.pk)
    assert engine.retry(job.pk)
    assert not engine.retry(job.pk)
    assert claimed().attempts == 1


def test_a_newer_job_supersedes_the_older_one_and_the_series_it_made(
    make_job: MakeJob, make_result: Callable[[Job], Result]
) -> None:
    old = make_job(state=Job.State.SUCCEEDED)
    result = make_result(old)
    report = Series.objects.create(exam=old.exam, series_instance_uid="1.2.3.7", origin="derived", modality="SR")
    ResultObject.objects.create(result=result, kind="sr", series=report, sha256="", bytes=1, description="Report")
    new = make_job(fingerprint="b")
    engine.supersede_older(new)

    old.refresh_from_db()
    assert (old.state, old.superseded_by) == (Job.State.SUPERSEDED, new)
    assert result.segmentation is not None
    result.segmentation.refresh_from_db()
    assert result.segmentation.superseded_at is not None
    report.refresh_from_db()
    assert report.superseded_at is not None
    assert not Result.objects.current().exists()


def test_a_running_job_that_is_superseded_stores_nothing(make_job: MakeJob) -> None:
    make_job()
    running = claimed()
    engine.supersede_older(make_job(fingerprint="b"))

    with pytest.raises(engine.LeaseLost):
        engine.succeed(running, store_result=lambda: pytest.fail("stored a superseded result"))
