"""The pages of the job engine."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils.timezone import now

from inference.models import Job, OperatorRun, PipelineLimits, RegisteredModel
from portal.models import User
from tests.conftest import Cast
from tests.inference.conftest import MakeJob

SignIn = Callable[[User], Client]
State = Job.State


def test_the_list_shows_each_job_with_its_state_and_reason(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job(state=State.FAILED, reason="Slices 41 and 42 lie at the same position.")
    page = _page(signed_in(cast.scientist), "/jobs/")
    assert f'href="/jobs/{job.pk}/"' in page
    assert "Failed" in page
    assert "Slices 41 and 42" in page


def test_the_list_can_be_narrowed_to_one_state(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    failed = make_job(fingerprint="a", state=State.FAILED)
    queued = make_job(fingerprint="b", state=State.QUEUED)
    browser = signed_in(cast.scientist)
    page = _page(browser, "/jobs/?state=failed")
    assert f'id="job-{failed.pk}"' in page
    assert f'id="job-{queued.pk}"' not in page
    assert "No job fits these filters now" in _page(browser, "/jobs/?state=running")
    assert f'id="job-{queued.pk}"' in _page(browser, "/jobs/?state=no-such-state")


def test_the_list_updates_itself_and_keeps_its_filter(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job(state=State.QUEUED)
    browser = signed_in(cast.scientist)
    update = _poll(_page(browser, "/jobs/?state=queued"))
    assert browser.get(update).status_code == 204
    Job.objects.filter(pk=job.pk).update(state=State.RUNNING, started_at=now())
    changed = browser.get(update).content.decode()
    assert f'id="job-{job.pk}"' not in changed
    assert "No job fits these filters now" in changed


def test_a_long_list_is_paged_within_its_filter(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    for n in range(51):
        make_job(fingerprint=str(n), state=State.FAILED)
    assert 'href="?state=failed&amp;page=2"' in _page(signed_in(cast.scientist), "/jobs/?state=failed")


def test_an_empty_list_says_what_fills_it(cast: Cast, signed_in: SignIn) -> None:
    assert "A job appears here when an exam is complete" in _page(signed_in(cast.scientist), "/jobs/")


def test_jobs_of_other_studies_are_neither_listed_nor_opened(
    cast: Cast, make_job: MakeJob, signed_in: SignIn, exam: object
) -> None:
    job = make_job(state=State.FAILED)
    cast.outsider.memberships.update(role="scientist")
    browser = signed_in(cast.outsider)
    assert str(job.pk) not in _page(browser, "/jobs/")
    assert browser.get(f"/jobs/{job.pk}/").status_code == 404
    assert browser.post(f"/jobs/{job.pk}/retry/").status_code == 404
    job.refresh_from_db()
    assert job.state == State.FAILED


def test_a_job_tells_what_ran_on_what_why_and_how_long(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job(
        state=State.SUCCEEDED,
        selection="Series 3 was chosen.",
        log="loaded 176 slices",
        started_at=now(),
        finished_at=now(),
    )
    model = RegisteredModel.objects.create(name="deepbet", version="1.0", digest="c" * 64, backend="torchscript")
    job.pipeline.registered_models.add(model)
    OperatorRun.objects.create(
        job=job, position=0, step="infer", operator="deepbet", seconds=12.34, peak_memory_mb=1904
    )
    page = _page(signed_in(cast.qc), f"/jobs/{job.pk}/")
    for expected in ("d" * 64, "c" * 64, "Series 3 was chosen.", "loaded 176 slices", "infer", "12.3 s", "1.9 GiB"):
        assert expected in page


def test_a_running_jobs_page_updates_itself_until_it_ends(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job(state=State.RUNNING, started_at=now())
    browser = signed_in(cast.scientist)
    update = _poll(_page(browser, f"/jobs/{job.pk}/"))
    assert browser.get(update).status_code == 204
    OperatorRun.objects.create(job=job, position=0, step="load", operator="load", seconds=1, peak_memory_mb=1)
    assert "load" in browser.get(update).content.decode()
    Job.objects.filter(pk=job.pk).update(state=State.FAILED, reason="Out of memory.", finished_at=now())
    ended = browser.get(update).content.decode()
    assert "Out of memory." in ended
    assert "hx-get" not in ended


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_an_ended_job_can_be_run_again_by_hand(
    cast: Cast, make_job: MakeJob, signed_in: SignIn, state: Job.State
) -> None:
    job = make_job(state=state, attempts=3, reason="Out of memory.", finished_at=now())
    browser = signed_in(cast.coordinator)
    assert f'action="/jobs/{job.pk}/retry/"' in _page(browser, f"/jobs/{job.pk}/")
    answer = browser.post(f"/jobs/{job.pk}/retry/", follow=True)
    assert "The job waits for a worker again." in answer.content.decode()
    job.refresh_from_db()
    assert (job.state, job.attempts, job.reason) == (State.QUEUED, 0, "")


def test_a_job_that_is_done_is_not_run_again(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job(state=State.SUCCEEDED, finished_at=now())
    browser = signed_in(cast.coordinator)
    assert "retry" not in _page(browser, f"/jobs/{job.pk}/")
    answer = browser.post(f"/jobs/{job.pk}/retry/", follow=True)
    assert "neither failed nor been cancelled" in answer.content.decode()


def test_a_waiting_job_can_be_cancelled_and_an_ended_one_cannot(
    cast: Cast, make_job: MakeJob, signed_in: SignIn
) -> None:
    job = make_job(state=State.QUEUED)
    browser = signed_in(cast.coordinator)
    assert 'data-confirm="Cancel this job?"' in _page(browser, f"/jobs/{job.pk}/")
    assert "The job is cancelled." in browser.post(f"/jobs/{job.pk}/cancel/", follow=True).content.decode()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert "had already ended" in browser.post(f"/jobs/{job.pk}/cancel/", follow=True).content.decode()


def test_a_superseded_job_leads_to_the_one_that_replaced_it(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    newer = make_job(fingerprint="b", state=State.QUEUED)
    older = make_job(fingerprint="a", state=State.SUPERSEDED, superseded_by=newer)
    assert f'href="/jobs/{newer.pk}/"' in _page(signed_in(cast.scientist), f"/jobs/{older.pk}/")


def test_only_those_who_manage_jobs_are_offered_to_act(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    failed = make_job(state=State.FAILED)
    for user, is_offered in ((cast.scientist, True), (cast.qc, False)):
        browser = signed_in(user)
        assert ("/retry/" in _page(browser, f"/jobs/{failed.pk}/")) is is_offered
        assert browser.post(f"/jobs/{failed.pk}/retry/").status_code == (302 if is_offered else 404)


def test_a_demonstration_is_named_on_the_page_of_its_jobs(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job()
    browser = signed_in(cast.scientist)
    assert "Demonstration model" not in _page(browser, f"/jobs/{job.pk}/")
    job.pipeline.definition = {"demonstration": True}
    job.pipeline.save()
    assert "Demonstration model, not for clinical use" in _page(browser, f"/jobs/{job.pk}/")


def test_the_limits_of_the_pipeline_are_shown(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job()
    browser = signed_in(cast.scientist)
    assert "those of the installation" in _page(browser, f"/jobs/{job.pk}/")
    PipelineLimits.objects.create(
        name=job.pipeline.name, concurrency=2, hard_seconds=90, memory_mb=4096, is_paused=True
    )
    page = " ".join(_page(browser, f"/jobs/{job.pk}/").split())
    assert "2 at once, one by one, killed after 90 s, 4096 MiB of memory" in page
    assert "is paused.</span> Its jobs wait" in page
    assert "pipelinelimits" not in page
    assert f"/admin/inference/pipelinelimits/{PipelineLimits.objects.get().pk}/" in _page(
        signed_in(cast.admin), f"/jobs/{job.pk}/"
    )


def test_a_retry_needs_a_post(cast: Cast, make_job: MakeJob, signed_in: SignIn) -> None:
    job = make_job(state=State.FAILED)
    assert signed_in(cast.coordinator).get(f"/jobs/{job.pk}/retry/").status_code == 405


def _page(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _poll(page: str) -> str:
    return page.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
