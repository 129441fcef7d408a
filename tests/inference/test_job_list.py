"""The list of jobs: filters, counts, the one that waits longest."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam, Route
from inference.job_list import JobList, list_of
from inference.models import Job, PipelineVersion
from portal.models import User
from tests.conftest import Cast
from tests.inference.conftest import MakeJob

SignIn = Callable[[User], Client]
State = Job.State


def listed(query: str) -> JobList:
    return list_of(Job.objects.all(), QueryDict(query))


@pytest.fixture
def jobs(make_job: MakeJob, exam: Exam) -> dict[str, Job]:
    """Four jobs that each differ from the others in one thing."""
    other = PipelineVersion.objects.create(name="liver", version="1", digest="e" * 64, title="L", definition={})
    elsewhere = Exam.objects.create(study_instance_uid="1.9", patient_name="Doe^Jane", accession_number="ACC0009")
    Route.objects.create(exam=elsewhere, called_ae="LIVER", received_instances=1)
    return {
        "plain": make_job(fingerprint="1", state=State.SUCCEEDED, created_at=now() - timedelta(days=2)),
        "urgent": make_job(fingerprint="2", state=State.FAILED, priority=AETitle.Priority.URGENT),
        "liver": Job.objects.create(pipeline=other, exam=exam, fingerprint="3"),
        "elsewhere": make_job(fingerprint="4", exam_id=elsewhere.pk),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"plain", "urgent", "liver", "elsewhere"}),
        ("state=failed", {"urgent"}),
        ("pipeline=liver", {"liver"}),
        ("priority=urgent", {"urgent"}),
        ("ae_title=LIVER", {"elsewhere"}),
        ("text=acc0009", {"elsewhere"}),
        ("text=jane", {"elsewhere"}),
        ("text=demo-0001&state=succeeded", {"plain"}),
        ("text=nobody", set()),
        (f"until={now() - timedelta(days=1):%Y-%m-%d}", {"plain"}),
        (f"since={now() - timedelta(days=1):%Y-%m-%d}", {"urgent", "liver", "elsewhere"}),
        ("exam=1.9", {"elsewhere"}),
    ],
)
def test_each_filter_leaves_what_it_says(jobs: dict[str, Job], query: str, found: set[str]) -> None:
    names = {job.pk: name for name, job in jobs.items()}
    assert {names[job.pk] for job in listed(query).page} == found


def test_a_filter_that_cannot_be_read_is_left_out_and_said(jobs: dict[str, Job]) -> None:
    shown = listed("since=yesterday&state=failed")
    assert [job.pk for job in shown.page] == [jobs["urgent"].pk]
    assert shown.chosen == {"state": "failed"}
    assert len(shown.problems) == 1
    assert shown.problems[0].startswith("since: ")


def test_the_tabs_count_within_the_other_filters(jobs: dict[str, Job]) -> None:
    tabs = {tab.value: tab for tab in listed("text=ACC0001&state=failed").tabs}
    assert (tabs[""].count, tabs["failed"].count, tabs["queued"].count) == (3, 1, 1)
    assert tabs["queued"].query == "?state=queued&text=ACC0001"
    assert tabs[""].query == "?text=ACC0001"


def test_a_page_can_be_asked_for_again_with_its_filters(jobs: dict[str, Job]) -> None:
    assert listed("text=A+B&page=7&state=failed").address == "state=failed&text=A+B&page=1"


def test_the_job_that_waits_longest_is_one_that_a_worker_could_take(make_job: MakeJob) -> None:
    make_job(fingerprint="new")
    old = make_job(fingerprint="old", created_at=now() - timedelta(hours=1))
    make_job(fingerprint="done", state=State.FAILED, created_at=now() - timedelta(hours=2))
    make_job(fingerprint="later", created_at=now() - timedelta(hours=3), not_before=now() + timedelta(minutes=1))
    assert listed("").oldest_waiting == old
    Job.objects.all().update(state=State.FAILED)
    assert listed("").oldest_waiting is None


def test_reruns_can_be_told_from_first_runs(make_job: MakeJob) -> None:
    first = make_job(state=State.SUCCEEDED)
    again = make_job(rerun_of=first)
    assert [job.pk for job in listed("runs=first").page] == [first.pk]
    assert [job.pk for job in listed("runs=rerun").page] == [again.pk]


def test_a_job_that_waits_after_a_passing_fault_says_until_when(
    cast: Cast, make_job: MakeJob, signed_in: SignIn
) -> None:
    soon = now() + timedelta(minutes=5)
    job = make_job(reason="Triton did not answer.", not_before=soon)
    browser = signed_in(cast.scientist)
    for address in ("/jobs/", f"/jobs/{job.pk}/"):
        page = browser.get(address).content.decode()
        assert f"Waits until {soon:%H:%M} after a passing fault." in page
        assert "Triton did not answer." in page


def test_the_number_of_queries_does_not_grow_with_jobs(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    browser = signed_in(cast.scientist)
    make_job(fingerprint="first", state=State.FAILED)
    few = _queries(lambda: browser.get("/jobs/?state=failed&text=ACC"))
    for n in range(60):
        make_job(fingerprint=str(n), state=State.FAILED if n % 2 else State.QUEUED)
    assert _queries(lambda: browser.get("/jobs/?state=failed&text=ACC")) == few
    assert few <= 23


def _queries(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)
