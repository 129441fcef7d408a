"""kill -9 of workers and of their jobs' processes through 200 jobs, while the broker forgets all and goes away."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from inference.models import Job, OperatorRun, Result
from portal.demo.supervisor import PROGRAMS
from tests.acting import IMAGES, Stage
from tests.dicom_ingest.waiting import until
from tests.faults.processes import Portal, portal
from tests.faults.test_engines_lost import valkey
from tests.ports import free_port

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

JOBS, CRASHES, KILLS = 200, 8, 6
SEED = 20261126
FIRST = next(program for program in PROGRAMS if program.name == "worker-gpu")
SECOND = replace(
    FIRST,
    name="worker-gpu-2",
    arguments=tuple("gpu2@%h" if part == "gpu@%h" else part for part in FIRST.arguments),
)
FAST = {
    "OVERREAD_JOB_LEASE_SECONDS": "3",
    "OVERREAD_JOB_BACKOFF_SECONDS": "0.2",
    "OVERREAD_LOG_LEVEL": "WARNING",
}


def test_two_hundred_jobs_end_once_though_their_workers_are_killed(stage: Stage, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    for number in range(JOBS):
        if number % (JOBS // CRASHES) == 7:
            stage.job("crash")
        else:
            stage.job(seconds=0.1, name="segmenting" if number % 10 == 0 else "acting")
    broker = free_port()
    address = f"redis://127.0.0.1:{broker}/0"
    with portal(
        tmp_path, "worker-gpu", "worker-ingest", "scheduler", more=(SECOND,), REDIS_URL=address, **FAST
    ) as running:
        with valkey(broker):
            _kill_through(running, KILLS // 2, chance=chance, until_ended=JOBS // 2)
            with closing(Redis(port=broker)) as client:
                client.flushall()
            _kill_through(running, KILLS - KILLS // 2, chance=chance, until_ended=JOBS * 3 // 4)
        time.sleep(1.0)  # without a broker
        with valkey(broker):
            assert until(lambda: _ended() == JOBS, seconds=300), (_states(), running.said()[-4000:])
            assert until(lambda: list((stage_store(tmp_path) / "scratch").iterdir()) == [], seconds=30)
    _assert_each_ended_once(stage)


def stage_store(home: Path) -> Path:
    """The store of the test (see `tests.conftest.store`)."""
    return home / "store"


def _kill_through(running: Portal, kills: int, *, chance: random.Random, until_ended: int) -> None:
    """Kill a whole worker, or one of its processes, each time when some jobs have ended since the last time."""
    for step in range(1, kills + 1):
        goal = _ended() + (until_ended - _ended()) * step // (kills + 1)
        assert until(partial(_have_ended, goal), seconds=240), (_states(), running.said()[-4000:])
        running.kill(chance.choice((FIRST.name, SECOND.name)), chance=chance)


def _have_ended(number: int) -> bool:
    return _ended() >= number


def _ended() -> int:
    return Job.objects.filter(state__in=Job.FINAL).count()


def _states() -> list[tuple[str, int, str]]:
    return list(Job.objects.exclude(state=Job.State.SUCCEEDED).values_list("state", "attempts", "reason"))


def _assert_each_ended_once(stage: Stage) -> None:
    jobs = {job.pk: job for job in Job.objects.select_related("pipeline")}
    assert len(jobs) == JOBS
    for job in jobs.values():
        assert job.state in {Job.State.SUCCEEDED, Job.State.FAILED}
        assert bool(job.reason) == (job.state == Job.State.FAILED)
        assert 1 <= job.attempts <= job.max_attempts
        assert job.lease_expires_at is None
    failed = [job for job in jobs.values() if job.state == Job.State.FAILED]
    crashed = [job for job in failed if "segmentation fault" in job.reason]
    assert len(crashed) == CRASHES
    assert all(job.peak_memory_mb and "acting: crash" in job.log for job in crashed)
    for job in failed:
        assert job in crashed or job.attempts == job.max_attempts, job.reason
    assert Result.objects.count() == JOBS - len(failed)
    for result in Result.objects.select_related("job__pipeline"):
        assert result.measurements.get().value == IMAGES
        assert (result.segmentation is not None) == (result.job.pipeline.name == "segmenting")
    assert max(Job.objects.values_list("attempts", flat=True)) > 1, "No kill hurt a job."
    assert OperatorRun.objects.filter(job__state=Job.State.SUCCEEDED, step="act").count() == JOBS - len(failed)
