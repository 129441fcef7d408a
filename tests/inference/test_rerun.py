"""Jobs run again, to see whether their results come out the same."""

from collections.abc import Callable

import pytest
from django.test import Client

from dicom_ingest.models import AETitle, Series
from inference import engine
from inference.models import Job, Result
from inference.rerun import NotRerunnable, queue_rerun
from portal.models import User
from tests.conftest import Cast
from tests.inference.conftest import MakeJob

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
    return Job.objects.get(pk=job.pk)


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
