"""Jobs run again, to see whether their results come out the same."""

from collections.abc import Callable

import pytest
from django.test import Client
from pydicom import Dataset

from dicom_ingest.models import AETitle, Instance, Series
from inference import engine
from inference.dispatch import submit
from inference.models import Job, Result
from inference.pipeline import load_named
from inference.rerun import NotRerunnable, queue_rerun
from portal.models import User
from tests.conftest import Cast
from tests.inference.conftest import MakeJob
from tests.inference.received import receive
from tests.inference.series import mr_series, numbered_voxels
from tests.inference.stored import with_its_fingerprint

SignIn = Callable[[User], Client]
MakeResult = Callable[[Job], Result]
State = Job.State


@pytest.fixture
def first(make_job: MakeJob, make_result: MakeResult) -> Job:
    """A job with a result."""
    job = make_job(state=State.SUCCEEDED, selection="Series 3 was chosen.")
    made = make_result(job)
    job.input_series = made.segmentation
    job.save()
    return with_its_fingerprint(Job.objects.get(pk=job.pk))


@pytest.fixture
def dispatched(brain_ae: AETitle) -> tuple[Job, list[Dataset]]:
    """A job of a received series of which one slice has yet to come, and all of its slices."""
    instances = mr_series(numbered_voxels((25, 4, 4)))
    route = receive(instances[:-1])
    job = submit(load_named("brain-extraction"), route)
    Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED)
    Result.objects.create(job=job, exam=job.exam)
    return Job.objects.get(pk=job.pk), instances


def test_a_rerun_takes_the_same_version_and_series_and_waits_behind_all_others(first: Job) -> None:
    again = queue_rerun(first)
    assert (again.state, again.priority) == (State.QUEUED, AETitle.Priority.BATCH)
    assert (again.pipeline, again.input_series, again.fingerprint) == (
        first.pipeline,
        first.input_series,
        first.fingerprint,
    )
    claimed = engine.claim_next()
    assert claimed is not None
    assert claimed.pk == again.pk


def test_a_rerun_leaves_the_first_jobs_result_current(first: Job, make_result: MakeResult) -> None:
    again = queue_rerun(first)
    Job.objects.filter(pk=again.pk).update(state=State.SUCCEEDED)
    make_result(again)
    assert [result.job_id for result in Result.objects.current()] == [first.pk]


@pytest.mark.parametrize("state", [State.FAILED, State.QUEUED, State.SKIPPED])
def test_a_job_without_a_result_cannot_be_rerun(make_job: MakeJob, state: Job.State) -> None:
    with pytest.raises(NotRerunnable, match=f"it is {state}. Retry it instead"):
        queue_rerun(make_job(state=state))


def test_a_rerun_is_not_rerun_itself(first: Job) -> None:
    again = queue_rerun(first)
    again.state = State.SUCCEEDED
    with pytest.raises(NotRerunnable, match="Rerun the first job"):
        queue_rerun(again)


def test_a_newer_job_leaves_reruns_alone(first: Job, make_job: MakeJob, make_result: MakeResult) -> None:
    again = queue_rerun(first)
    made = make_result(again)
    newer = make_job(fingerprint="newer")
    engine.supersede_older(newer)
    first.refresh_from_db()
    again.refresh_from_db()
    assert (first.state, first.superseded_by) == (State.SUPERSEDED, newer)
    assert (again.state, again.superseded_by) == (State.QUEUED, None)
    assert made.segmentation is not None
    made.segmentation.refresh_from_db()
    assert made.segmentation.superseded_at is None


def test_a_rerun_supersedes_nothing(first: Job) -> None:
    engine.supersede_older(queue_rerun(first))
    first.refresh_from_db()
    assert (first.state, first.superseded_by) == (State.SUCCEEDED, None)


def test_a_superseded_job_is_rerun_while_its_input_is_what_it_was(dispatched: tuple[Job, list[Dataset]]) -> None:
    job, _ = dispatched
    Job.objects.filter(pk=job.pk).update(state=State.SUPERSEDED)
    assert queue_rerun(Job.objects.get(pk=job.pk)).fingerprint == job.fingerprint


def test_a_job_whose_series_has_grown_is_not_rerun(dispatched: tuple[Job, list[Dataset]]) -> None:
    job, instances = dispatched
    receive(instances[-1:])
    with pytest.raises(NotRerunnable, match="Its series have changed since it ran"):
        queue_rerun(job)
    assert not job.reruns.exists()


def test_a_job_whose_series_is_gone_is_not_rerun(dispatched: tuple[Job, list[Dataset]], cast: Cast) -> None:
    job, _ = dispatched
    Job.objects.filter(pk=job.pk).update(input_series=None)
    Instance.objects.filter(series__exam=job.exam).delete()
    with pytest.raises(NotRerunnable, match="complete the exam again"):
        queue_rerun(Job.objects.get(pk=job.pk))


def test_those_who_manage_jobs_rerun_from_the_page(cast: Cast, first: Job, signed_in: SignIn) -> None:
    browser = signed_in(cast.scientist)
    assert "Rerun to compare" in browser.get(f"/jobs/{first.pk}/").content.decode()
    answer = browser.post(f"/jobs/{first.pk}/rerun/", follow=True)
    again = first.reruns.get()
    assert answer.redirect_chain == [(f"/jobs/{again.pk}/", 302)]
    page = answer.content.decode()
    assert "The rerun waits for a worker" in page
    assert f'href="/jobs/{first.pk}/">Open the first job' in page
    assert f'href="/jobs/{again.pk}/"' in browser.get(f"/jobs/{first.pk}/").content.decode()
    reviewer = signed_in(cast.qc)
    assert "Rerun to compare" not in reviewer.get(f"/jobs/{first.pk}/").content.decode()
    assert reviewer.post(f"/jobs/{first.pk}/rerun/").status_code == 404


def test_what_came_of_the_comparison_is_on_both_pages(cast: Cast, first: Job, signed_in: SignIn) -> None:
    again = queue_rerun(first)
    Job.objects.filter(pk=again.pk).update(state=State.SUCCEEDED, comparison="Brain volume: 1500.1 ml, was 1500.0 ml.")
    browser = signed_in(cast.scientist)
    for job in (first, again):
        assert "Brain volume: 1500.1 ml, was 1500.0 ml." in browser.get(f"/jobs/{job.pk}/").content.decode()


def test_a_rerun_is_polled_until_it_is_compared(cast: Cast, first: Job, signed_in: SignIn) -> None:
    again = queue_rerun(first)
    Job.objects.filter(pk=again.pk).update(state=State.SUCCEEDED)
    browser = signed_in(cast.scientist)
    assert "hx-get" in browser.get(f"/jobs/{again.pk}/").content.decode()
    Job.objects.filter(pk=again.pk).update(comparison="The same bytes but for UIDs and dates.")
    assert "hx-get" not in browser.get(f"/jobs/{again.pk}/").content.decode()


def test_nobody_reads_the_result_of_a_rerun(cast: Cast, first: Job, make_result: MakeResult, signed_in: SignIn) -> None:
    again = queue_rerun(first)
    Job.objects.filter(pk=again.pk).update(state=State.SUCCEEDED)
    made = make_result(again)
    for user in (cast.reader, cast.scientist):
        assert signed_in(user).get(f"/results/{made.pk}/").status_code == 404
    assert f"/results/{made.pk}/" not in signed_in(cast.scientist).get(f"/jobs/{again.pk}/").content.decode()
    assert signed_in(cast.reader).get(f"/api/results/{made.pk}/").status_code == 404
    assert signed_in(cast.scientist).get(f"/api/results/{made.pk}/").status_code == 200


def test_the_exams_page_shows_neither_a_rerun_nor_its_series(
    cast: Cast, first: Job, make_result: MakeResult, signed_in: SignIn
) -> None:
    again = queue_rerun(first)
    Job.objects.filter(pk=again.pk).update(state=State.SUCCEEDED)
    made = make_result(again)
    Series.objects.filter(results=made).update(series_description="Made again")
    page = signed_in(cast.coordinator).get(f"/exams/{first.exam.study_instance_uid}/").content.decode()
    assert f'id="job-{first.pk}"' in page
    assert str(again.pk) not in page
    assert "Made again" not in page
    assert f'href="/results/{first.result.pk}/" data-key="r"' in page
