"""`manage.py jobs`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inference import engine
from inference.models import Job, OperatorRun, Result
from inference.rerun import queue_rerun
from tests.inference.conftest import MakeJob
from tests.inference.stored import LIVER, pipeline_of, received_series, stored, with_its_fingerprint

pytestmark = pytest.mark.django_db

MakeResult = Callable[[Job], Result]
State = Job.State
HERE = (slice(1, 3), slice(1, 3), slice(2, 6))


def jobs(*arguments: str) -> str:
    """What the command prints."""
    out = io.StringIO()
    call_command("jobs", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> tuple[int, str]:
    """The exit code, and what is said."""
    with pytest.raises(CommandError) as fault:
        jobs(*arguments)
    return fault.value.returncode, str(fault.value)


def test_the_list_is_narrowed_and_says_how_much_more_there_is(make_job: MakeJob) -> None:
    failed = make_job(fingerprint="a", state=State.FAILED, reason="Slices 41 and 42 lie at the same position.")
    queued = make_job(fingerprint="b")
    listed = jobs("list", "--state", "failed")
    assert str(failed.pk)[:8] in listed
    assert "Slices 41 and 42" in listed
    assert str(queued.pk)[:8] not in listed
    assert "Demo" not in listed  # a terminal is no place for names
    assert "1 of 2." in jobs("list", "--limit", "1")
    assert "No job fits." in jobs("list", "--text", "nobody")


def test_a_filter_that_cannot_be_read_is_said(make_job: MakeJob) -> None:
    code, said = refused("list", "--since", "yesterday")
    assert code == 2
    assert said.startswith("--since: ")


def test_one_job_is_shown_with_its_steps(make_job: MakeJob) -> None:
    job = make_job(state=State.RUNNING, selection="Series 3 was chosen.", log="loaded 176 slices\n")
    OperatorRun.objects.create(
        job=job, position=1, step="infer", operator="deepbet", started=0.5, seconds=12.34, peak_memory_mb=1904
    )
    shown = jobs("show", str(job.pk)[:8])
    for expected in (str(job.pk), "running", "d" * 64, "Series 3 was chosen.", "infer", "12.3 s", "1.9 GiB"):
        assert expected in shown
    assert jobs("logs", str(job.pk)) == "loaded 176 slices\n"


def test_a_job_is_retried_and_cancelled_where_its_state_allows(make_job: MakeJob) -> None:
    job = make_job(state=State.FAILED)
    assert "waits for a worker again" in jobs("retry", str(job.pk))
    assert refused("retry", str(job.pk)) == (1, f"Job {job.pk} was not queued again: it is queued.")
    assert "is cancelled" in jobs("cancel", str(job.pk))
    assert refused("cancel", str(job.pk)) == (1, f"Job {job.pk} had already ended: it is cancelled.")


def test_a_job_that_is_not_there_or_not_one_is_said(make_job: MakeJob) -> None:
    for last in "12":
        make_job(fingerprint=last, id=f"abcd1234-0000-4000-8000-00000000000{last}")
    assert refused("show", "ffff")[0] == 2
    code, said = refused("show", "ABCD")
    assert code == 2
    assert "Several jobs" in said
    assert refused("show", "ab")[1].startswith("Give at least 4 characters")


def test_a_rerun_is_queued_or_refused(make_job: MakeJob, make_result: MakeResult) -> None:
    job = make_job(state=State.SUCCEEDED)
    code, said = refused("rerun", str(job.pk))
    assert code == 1
    assert "no result to compare with" in said
    make_result(with_its_fingerprint(job))
    said = jobs("rerun", str(job.pk))
    again = job.reruns.get()
    assert said == f"Job {again.pk} runs the same again.\n"
    assert again.state == State.QUEUED


def test_waiting_for_a_rerun_ends_in_time(make_job: MakeJob, make_result: MakeResult) -> None:
    job = make_job(state=State.SUCCEEDED)
    make_result(with_its_fingerprint(job))
    code, said = refused("rerun", str(job.pk), "--wait", "--timeout", "0")
    assert code == 1
    assert "is still queued after 0 s. Is a worker running?" in said


@pytest.mark.parametrize(("volume", "code"), [(1.0, 0), (0.875, 3)])
def test_waiting_for_a_rerun_tells_what_differs(
    brain_ae: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volume: float, code: int
) -> None:
    definition = pipeline_of("transplant", ("Liver", LIVER))
    instances, _ = received_series()
    first = stored(definition, instances, [HERE], folder=tmp_path)

    def run_at_once(job: Job) -> Job:
        made = stored(definition, instances, [HERE], folder=tmp_path, rerun_of=job, volume_ml=volume)
        return made.job

    monkeypatch.setattr("inference.rerun.queue_rerun", run_at_once)
    if code:
        assert refused("rerun", str(first.job_id), "--wait") == (code, "The results differ.")
    else:
        assert "The same bytes but for UIDs and dates." in jobs("rerun", str(first.job_id), "--wait")


def test_a_rerun_is_shown_with_its_first_job_and_how_it_ended(make_job: MakeJob, make_result: MakeResult) -> None:
    job = make_job(state=State.SUCCEEDED)
    make_result(job)
    again = queue_rerun(with_its_fingerprint(job))
    engine.cancel(again.pk)
    shown = jobs("show", str(again.pk))
    assert "cancelled" in shown
    assert str(job.pk) in shown


def test_the_files_are_downloaded_or_it_is_said_why_not(brain_ae: object, tmp_path: Path) -> None:
    instances, _ = received_series()
    result = stored(pipeline_of("transplant", ("Liver", LIVER)), instances, [HERE], folder=tmp_path)
    out = tmp_path / "outputs.zip"
    assert "2 files" in jobs("download", str(result.job_id), "outputs", "--out", str(out))
    assert zipfile.ZipFile(out).testzip() is None
    assert "5 files" in jobs("download", str(result.job_id), "inputs", "--out", str(out))
    nowhere = tmp_path / "nowhere" / "outputs.zip"
    code, said = refused("download", str(result.job_id), "outputs", "--out", str(nowhere))
    assert code == 1
    assert "could not be written" in said
    result.delete()
    assert refused("download", str(result.job_id), "outputs")[0] == 1
