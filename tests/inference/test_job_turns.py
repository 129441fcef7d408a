"""Whose turn it is: limits of pipelines, pauses, priorities, and jobs that run together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import now

from inference import engine
from inference.models import PATIENCE, Job, PipelineLimits, PipelineVersion
from tests.inference.conftest import MakeJob

pytestmark = pytest.mark.django_db


def test_no_more_jobs_of_a_pipeline_run_than_its_limits_say(make_job: MakeJob) -> None:
    limits = PipelineLimits.objects.create(name="brain-extraction", concurrency=2)
    for name in "abc":
        make_job(fingerprint=name)
    first = engine.claim_next()
    assert first is not None
    assert engine.claim_next() is not None
    assert engine.claim_next() is None

    engine.succeed(first, lambda: None)
    assert engine.claim_next() is not None
    limits.delete()


def test_a_full_pipeline_holds_up_no_other(make_job: MakeJob) -> None:
    PipelineLimits.objects.create(name="brain-extraction", concurrency=1)
    other = PipelineVersion.objects.create(name="liver", version="1.0.0", digest="e" * 64, title="L", definition={})
    make_job(fingerprint="a", created_at=now() - timedelta(hours=2))
    make_job(fingerprint="b", created_at=now() - timedelta(hours=1))
    behind = make_job(fingerprint="c")
    Job.objects.filter(pk=behind.pk).update(pipeline=other)
    engine.claim_next()

    claimed = engine.claim_next()
    assert claimed is not None
    assert claimed.pk == behind.pk


def test_the_jobs_of_a_paused_pipeline_wait(make_job: MakeJob) -> None:
    limits = PipelineLimits.objects.create(name="brain-extraction", is_paused=True)
    make_job()
    assert engine.claim_next() is None

    limits.is_paused = False
    limits.save()
    assert engine.claim_next() is not None


def test_a_job_whose_worker_died_is_not_kept_out_by_itself(make_job: MakeJob) -> None:
    PipelineLimits.objects.create(name="brain-extraction", concurrency=1)
    make_job(state=Job.State.RUNNING, attempts=1, lease_expires_at=now() - timedelta(seconds=1))
    assert engine.claim_next() is not None


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_the_same_moment_keep_to_the_limit(make_job: MakeJob) -> None:
    PipelineLimits.objects.create(name="brain-extraction", concurrency=3)
    for number in range(12):
        make_job(fingerprint=str(number))

    def claim(_: int) -> Job | None:
        with _own_connection():
            return engine.claim_next()

    with ThreadPoolExecutor(8) as pool:
        claimed = [job.pk for job in pool.map(claim, range(12)) if job is not None]
    assert len(set(claimed)) == len(claimed) == 3


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_race_for_one_job_get_it_once(make_job: MakeJob) -> None:
    def claim(_: int) -> Job | None:
        with _own_connection():
            return engine.claim_next()

    with ThreadPoolExecutor(2) as pool:
        for number in range(20):
            job = make_job(fingerprint=str(number))
            claimed = [one.pk for one in pool.map(claim, range(2)) if one is not None]
            assert claimed == [job.pk]


def test_as_many_jobs_run_together_as_the_limits_say(make_job: MakeJob) -> None:
    PipelineLimits.objects.create(name="brain-extraction", batch_size=3)
    for name in "abcde":
        make_job(fingerprint=name)
    first = engine.claim_next()
    assert first is not None
    others = engine.claim_together(first)

    assert len({first.pk, *(job.pk for job in others)}) == 3
    assert Job.objects.filter(state=Job.State.RUNNING).count() == 3
    assert len({job.worker for job in Job.objects.filter(state=Job.State.RUNNING)}) == 3


def test_jobs_run_together_keep_to_the_concurrency(make_job: MakeJob) -> None:
    PipelineLimits.objects.create(name="brain-extraction", batch_size=5, concurrency=2)
    for name in "abcde":
        make_job(fingerprint=name)
    first = engine.claim_next()
    assert first is not None
    assert len(engine.claim_together(first)) == 1


def test_without_limits_a_job_runs_alone(make_job: MakeJob) -> None:
    make_job(fingerprint="a")
    make_job(fingerprint="b")
    first = engine.claim_next()
    assert first is not None
    assert engine.claim_together(first) == []


def test_what_was_tried_before_runs_alone(make_job: MakeJob) -> None:
    PipelineLimits.objects.create(name="brain-extraction", batch_size=3)
    make_job(fingerprint="fresh")
    tried = make_job(fingerprint="tried", attempts=1, created_at=now() - timedelta(hours=1))
    first = engine.claim_next()
    assert first is not None
    assert first.pk == tried.pk
    assert engine.claim_together(first) == []

    fresh = engine.claim_next()
    assert fresh is not None
    Job.objects.filter(pk=tried.pk).update(state=Job.State.QUEUED)
    assert engine.claim_together(fresh) == []


def test_a_flood_of_urgent_jobs_keeps_no_other_waiting_longer_than_its_patience(make_job: MakeJob) -> None:
    """An urgent job comes as often as one can be run, so the queue never empties."""
    begin, each = now() - timedelta(days=2), timedelta(minutes=10)
    waiting = {priority: make_job(fingerprint=priority, priority=priority, created_at=begin) for priority in PATIENCE}
    ran: dict[str, timedelta] = {}
    for turn in range(80):
        moment = turn * each
        make_job(fingerprint=str(turn), priority="urgent", created_at=begin + moment + timedelta(seconds=1))
        job = engine.claim_next()
        assert job is not None
        if job.fingerprint in waiting:
            ran[job.fingerprint] = moment
        job.delete()

    assert ran.keys() == PATIENCE.keys()
    for priority, patience in PATIENCE.items():
        assert ran[priority] <= patience + len(PATIENCE) * each


def test_the_longest_wait_counts_what_could_run(make_job: MakeJob) -> None:
    assert engine.longest_wait() == timedelta(0)
    make_job(fingerprint="batch", priority="batch", created_at=now() - timedelta(hours=9))
    make_job(fingerprint="later", created_at=now() - timedelta(hours=5), not_before=now() + timedelta(hours=1))
    make_job(fingerprint="due", created_at=now() - timedelta(hours=3))
    assert timedelta(hours=3) <= engine.longest_wait() < timedelta(hours=3, minutes=1)

    PipelineLimits.objects.create(name="brain-extraction", is_paused=True)
    assert engine.longest_wait() == timedelta(0)


def test_the_sweeper_warns_of_a_long_wait(make_job: MakeJob, caplog: pytest.LogCaptureFixture) -> None:
    make_job(created_at=now() - timedelta(hours=1))
    engine.sweep()
    assert "A job has waited for 36" in caplog.text


@contextmanager
def _own_connection() -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()
