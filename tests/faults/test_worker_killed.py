"""The worker dies with -9 in the middle of a job: the job is retaken within a minute and ends once, without a hand."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from portal.demo.exams import DemonstrationExam
from tests.demonstration import Demonstration, another_exam, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]  # the first test starts the demonstration


def kill_worker(demonstration: Demonstration) -> int:
    """Kill the whole process group of the gpu worker, as the kernel does when memory runs out; return its id."""
    (worker,) = [state.pid for state in demonstration.supervisor.states() if state.name == "worker-gpu"]
    os.killpg(worker, signal.SIGKILL)
    return worker


def running_job(demonstration: Demonstration, exam: DemonstrationExam, *, attempt: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = demonstration.job(exam)
        assert job is None or job["state"] in {"queued", "running"}, job
        return job if job and job["state"] == "running" and job["attempts"] == attempt else None

    found = wait_for(look, seconds=60, every=0.1)
    assert found is not None
    return found


def test_a_job_whose_worker_is_killed_is_retaken_within_a_minute_and_succeeds_once(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    exam = another_exam("KILLED", tmp_path)
    demonstration.push(exam)
    first = running_job(demonstration, exam, attempt=1)
    killed, at = kill_worker(demonstration), time.monotonic()
    retaken = running_job(demonstration, exam, attempt=2)
    assert time.monotonic() - at < 60
    assert retaken["id"] == first["id"]
    wait_for(lambda: (demonstration.job(exam) or {}).get("state") == "succeeded", seconds=120)

    jobs = demonstration.api("jobs/", exam=exam.study_instance_uid)["results"]
    assert [(job["state"], job["attempts"]) for job in jobs] == [("succeeded", 2)]
    assert demonstration.api("results/", exam=exam.study_instance_uid)["count"] == 1
    (filed,) = demonstration.api("exams/", study_instance_uid=exam.study_instance_uid)["results"]
    assert [one["modality"] for one in filed["series"]].count("SEG") == 1
    assert killed not in {state.pid for state in demonstration.supervisor.states()}
