"""Completing an exam by hand, what a series' state says, and exams that came to two AE titles."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from django.test import Client
from django.utils.timezone import now
from pydicom import Dataset

from dicom_ingest.completion import complete_exam_now, complete_exams, series_state
from dicom_ingest.indexer import index_waiting
from dicom_ingest.models import AETitle, Exam, Route, Series
from inference import pipeline
from inference.dispatch import dispatch_exams
from inference.models import Job
from portal.models import User
from studies.cases.enrolment import enrol_complete_exams
from tests.conftest import Cast
from tests.dicom_ingest.scanner import Scanner, mr_series
from tests.dicom_ingest.scans import FLAIR, T1, complete, mr_slice, receive
from tests.dicom_ingest.test_completion import arrive, seconds_after

SignedIn = Callable[[User], Client]

pytestmark = pytest.mark.django_db


@pytest.fixture
def reopened(cast: Cast) -> Exam:
    """A case of the study to which a late slice has just come."""
    exam = complete(receive(mr_slice(1))[0].series.exam)
    receive(mr_slice(2))
    return exam


def page_of(exam: Exam) -> str:
    return f"/exams/{exam.study_instance_uid}/"


def api_of(exam: Exam) -> str:
    return f"/api/exams/{exam.study_instance_uid}/complete/"


def test_a_coordinator_completes_an_exam_on_its_page(reopened: Exam, cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.coordinator)
    assert "Complete now" in client.get(page_of(reopened)).content.decode()
    answered = client.post(f"{page_of(reopened)}complete/", follow=True).content.decode()
    assert "The exam is complete" in answered
    assert "Complete now" not in answered
    assert Route.objects.get().is_complete
    again = client.post(f"{page_of(reopened)}complete/", follow=True).content.decode()
    assert "complete already" in again


def test_a_reader_is_offered_nothing_to_complete(reopened: Exam, cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.reader)
    assert "Complete now" not in client.get(page_of(reopened)).content.decode()
    assert client.post(f"{page_of(reopened)}complete/").status_code == 404
    assert not Route.objects.get().is_complete


def test_the_api_completes_an_exam_once(reopened: Exam, cast: Cast, with_token: SignedIn) -> None:
    client = with_token(cast.coordinator)
    assert client.get(f"/api/exams/{reopened.study_instance_uid}/").json()["state"] == "receiving"
    answered = client.post(api_of(reopened))
    assert (answered.status_code, answered.json()["state"]) == (200, "complete")
    again = client.post(api_of(reopened))
    assert again.status_code == 409
    assert "complete already" in again.json()["detail"]


def test_the_api_lets_nobody_else_complete(reopened: Exam, cast: Cast, with_token: SignedIn) -> None:
    assert with_token(cast.reader).post(api_of(reopened)).status_code == 403
    assert with_token(cast.outsider).post(api_of(reopened)).status_code == 404
    assert not Route.objects.get().is_complete


def test_a_late_instance_reopens_what_was_completed_by_hand(reopened: Exam) -> None:
    assert complete_exam_now(reopened)
    receive(mr_slice(3))
    assert not Route.objects.get().is_complete
    assert complete_exam_now(reopened)


def test_every_open_route_of_the_exam_is_completed(reopened: Exam) -> None:
    receive(mr_slice(2), called_ae="LIVER")
    assert complete_exam_now(reopened)
    assert not Route.objects.filter(completed_at=None).exists()


def test_a_series_is_settled_when_quiet_though_others_of_its_exam_still_arrive(brain_ae: AETitle) -> None:
    first, second = mr_series(slices=1), mr_series(slices=1)
    second[0].StudyInstanceUID = first[0].StudyInstanceUID
    arrive(first[0], at=0)
    Series.objects.update(changed_at=seconds_after(0))
    arrive(second[0], at=10)
    Series.objects.exclude(series_instance_uid=first[0].SeriesInstanceUID).update(changed_at=seconds_after(10))
    assert complete_exams(at=seconds_after(10.5)) == 0
    settled = {one.series_instance_uid: series_state(one).is_settled for one in Series.objects.all()}
    assert settled == {first[0].SeriesInstanceUID: True, second[0].SeriesInstanceUID: False}
    assert complete_exams(at=seconds_after(12)) == 1
    assert all(series_state(one).is_settled for one in Series.objects.all())


def test_each_series_says_whether_it_is_quiet(cast: Cast, signed_in: SignedIn, with_token: SignedIn) -> None:
    flair = mr_slice(1, series=FLAIR, SeriesDescription="FLAIR")
    exam = complete(receive(mr_slice(1), flair)[0].series.exam)
    receive(mr_slice(2))
    answered = with_token(cast.reader).get(f"/api/exams/{exam.study_instance_uid}/").json()
    assert {one["series_instance_uid"]: one["state"] for one in answered["series"]} == {
        T1: "receiving",
        FLAIR: "complete",
    }
    shown = signed_in(cast.reader).get(page_of(exam)).content.decode()
    assert shown.count(">Quiet<") == shown.count(">Arriving<") == 1


# One exam, two AE titles


@pytest.fixture
def pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped pipeline, and a second one that takes another series: the FLAIR."""
    shipped = yaml.safe_load(pipeline.source_of("brain-extraction"))
    folder = tmp_path / "pipelines"
    folder.mkdir()
    for name, description in (("brain-extraction", "T1 MPRAGE"), ("lesions", "FLAIR")):
        conditions = [{"when": f'series.SeriesDescription == "{description}"', "otherwise": f"Not {description}"}]
        definition = {**shipped, "name": name, "input": {**shipped["input"], "conditions": conditions}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(definition))
    monkeypatch.setattr(pipeline.load_named, "__defaults__", (folder,))


def arrived() -> None:
    """What a running portal does after the scanner has sent, up to the jobs."""
    index_waiting()
    for route in Route.objects.filter(completed_at=None):
        complete_exam_now(route.exam)
    enrol_complete_exams()
    dispatch_exams()


def two_series() -> tuple[list[Dataset], list[Dataset]]:
    t1, flair = mr_series(slices=3), mr_series(slices=2)
    for image in flair:
        image.StudyInstanceUID, image.SeriesDescription = t1[0].StudyInstanceUID, "FLAIR"
    return t1, flair


def jobs() -> dict[str, list[str]]:
    """The states of the jobs of each pipeline, oldest first."""
    found: dict[str, list[str]] = {}
    for job in Job.objects.order_by("created_at").select_related("pipeline"):
        found.setdefault(job.pipeline.name, []).append(job.state)
    return found


@pytest.mark.usefixtures("pipelines")
def test_an_exam_sent_to_two_ae_titles_stays_one_with_a_job_by_each_route(scanner: Scanner, cast: Cast) -> None:
    AETitle.objects.filter(title="LIVER").update(pipeline="lesions")
    t1, flair = two_series()
    assert set(scanner.send([*t1, *flair], "BRAIN")) == set(scanner.send([*t1, *flair], "LIVER")) == {0x0000}
    arrived()
    exam = Exam.objects.get()
    assert [(one.called_ae, one.received_instances) for one in exam.routes.all()] == [("BRAIN", 5), ("LIVER", 5)]
    assert {case.study.slug for case in exam.cases.all()} == {"brain", "liver"}
    assert jobs() == {"brain-extraction": [Job.State.QUEUED], "lesions": [Job.State.QUEUED]}
    assert {job.route.called_ae for job in Job.objects.all() if job.route} == {"BRAIN", "LIVER"}


@pytest.mark.usefixtures("pipelines")
def test_only_the_pipeline_whose_series_changed_runs_again(scanner: Scanner, cast: Cast) -> None:
    AETitle.objects.filter(title="LIVER").update(pipeline="lesions")
    t1, flair = two_series()
    for title in ("BRAIN", "LIVER"):
        scanner.send([*t1, *flair[:1]], title)
    arrived()
    for title in ("BRAIN", "LIVER"):
        scanner.send(flair[1:], title)
    arrived()
    assert jobs() == {
        "brain-extraction": [Job.State.QUEUED],
        "lesions": [Job.State.SUPERSEDED, Job.State.QUEUED],
    }


@pytest.mark.usefixtures("pipelines")
def test_two_ae_titles_that_name_one_pipeline_make_one_job(scanner: Scanner, cast: Cast) -> None:
    AETitle.objects.filter(title="LIVER").update(pipeline="brain-extraction")
    t1, _ = two_series()
    for title in ("BRAIN", "LIVER"):
        scanner.send(t1, title)
    arrived()
    assert Route.objects.filter(dispatched_at__lte=now()).count() == 2
    assert jobs() == {"brain-extraction": [Job.State.QUEUED]}


# The quarantine over REST


def test_the_quarantine_is_read_over_rest_by_reason(cast: Cast, with_token: SignedIn) -> None:
    from tests.dicom_ingest.waiting import quarantined

    row = quarantined(b"not DICOM")
    client = with_token(cast.admin)
    assert client.get("/api/quarantine/?reason=bad-uid").json()["count"] == 0
    (found,) = client.get("/api/quarantine/?reason=not-dicom").json()["results"]
    assert (found["id"], found["called_ae"], found["size"]) == (row.pk, "BRAIN", row.size)
    assert "Send DICOM instances only" in found["explanation"]
    assert with_token(cast.coordinator).get("/api/quarantine/").status_code == 403
