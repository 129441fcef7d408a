"""Jobs, results and pipelines over REST."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from inference.models import Agreement, Finding, Job, Measurement, PipelineLimits, RegisteredModel, Result, ResultObject
from portal.models import User
from tests.conftest import Cast
from tests.inference.conftest import MakeJob
from tests.inference.stored import with_its_fingerprint

MakeResult = Callable[[Job], Result]
State = Job.State


def api(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def listed(user: User, what: str, **query: str) -> list[dict[str, Any]]:
    response = api(user).get(f"/api/{what}/", query)
    assert response.status_code == 200
    return list(response.json()["results"])


def test_jobs_are_narrowed_as_on_the_page(cast: Cast, make_job: MakeJob) -> None:
    failed = make_job(fingerprint="a", state=State.FAILED, priority="urgent")
    make_job(fingerprint="b")
    for query in ({"state": "failed"}, {"priority": "urgent"}, {"state": "failed", "text": "ACC0001"}):
        assert [row["id"] for row in listed(cast.scientist, "jobs", **query)] == [str(failed.pk)]
    assert listed(cast.scientist, "jobs", pipeline="another") == []
    assert api(cast.scientist).get("/api/jobs/", {"state": "nonsense"}).status_code == 400


def test_a_job_is_retried_cancelled_and_rerun(cast: Cast, make_job: MakeJob, make_result: MakeResult) -> None:
    job = make_job(state=State.FAILED, attempts=3)
    client = api(cast.scientist)
    assert client.post(f"/api/jobs/{job.pk}/retry/").json()["state"] == "queued"
    assert client.post(f"/api/jobs/{job.pk}/cancel/").json()["state"] == "cancelled"
    Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED)
    make_result(with_its_fingerprint(job))
    again = client.post(f"/api/jobs/{job.pk}/rerun/")
    assert again.status_code == 201
    assert again.json()["rerun_of"] == str(job.pk)


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ("retry", "neither failed nor been cancelled"),
        ("cancel", "already ended"),
        ("rerun", "no result to compare with: it is skipped"),
    ],
)
def test_what_the_state_does_not_allow_is_a_conflict(cast: Cast, make_job: MakeJob, action: str, sentence: str) -> None:
    job = make_job(state=State.SKIPPED)
    answer = api(cast.scientist).post(f"/api/jobs/{job.pk}/{action}/")
    assert answer.status_code == 409
    assert sentence in answer.json()["detail"]


def test_those_who_only_look_may_not_act(cast: Cast, make_job: MakeJob) -> None:
    job = make_job(state=State.FAILED, log="loaded 176 slices")
    for user in (cast.reader, cast.qc):
        assert api(user).post(f"/api/jobs/{job.pk}/retry/").status_code == 403
        assert api(user).get(f"/api/jobs/{job.pk}/inputs/").status_code == 403
    assert api(cast.reader).get(f"/api/jobs/{job.pk}/log/").status_code == 403
    assert api(cast.qc).get(f"/api/jobs/{job.pk}/log/").content == b"loaded 176 slices"
    assert api(cast.outsider).post(f"/api/jobs/{job.pk}/retry/").status_code == 404


def test_a_result_tells_all_that_was_found(cast: Cast, make_job: MakeJob, make_result: MakeResult) -> None:
    job = make_job(state=State.SUCCEEDED)
    job.pipeline.definition = {
        "demonstration": True,
        "outputs": {"triage": {"step": "classes", "urgent_when": ["pneumothorax"], "above": 0.5}},
    }
    job.pipeline.save()
    result = make_result(job)
    Result.objects.filter(pk=result.pk).update(is_urgent=True, notes="No earlier exam to compare with.")
    Measurement.objects.filter(result=result).update(structure="Brain")
    Finding.objects.create(
        result=result,
        kind=Finding.Kind.CLASS,
        name="Chest finding",
        label="pneumothorax",
        probability=0.93,
        probabilities={"pneumothorax": 0.93, "normal": 0.07},
    )
    ResultObject.objects.create(
        result=result, kind="seg", series=result.segmentation, sha256="a" * 64, bytes=9, description="Segmentation"
    )
    other = make_result(make_job(fingerprint="b", state=State.SUCCEEDED))
    Agreement.objects.create(first=result, second=other, structure="Brain", dice=0.957, first_ml=1500, second_ml=1490)
    told = api(cast.reader).get(f"/api/results/{result.pk}/").json()
    assert told["is_demonstration"] is True
    assert told["urgent_because"] == {"pneumothorax": 0.93}
    assert told["notes"] == ["No earlier exam to compare with."]
    assert told["measurements"][0]["structure"] == "Brain"
    assert told["findings"][0]["probabilities"] == {"pneumothorax": 0.93, "normal": 0.07}
    assert told["files"][0]["series_uid"] == told["segmentation_series_uid"]
    assert told["agreements"][0] == {
        "first": str(result.pk),
        "second": str(other.pk),
        "structure": "Brain",
        "dice": 0.957,
        "first_ml": 1500.0,
        "second_ml": 1490.0,
    }
    assert [row["id"] for row in listed(cast.reader, "results", is_urgent="true")] == [str(result.pk)]


def test_pipelines_are_told_with_their_models_and_limits(cast: Cast, make_job: MakeJob) -> None:
    version = make_job().pipeline
    version.registered_models.add(
        RegisteredModel.objects.create(name="deepbet", version="1.0", digest="c" * 64, backend="torchscript")
    )
    assert listed(cast.qc, "pipelines")[0]["limits"] is None
    PipelineLimits.objects.create(name=version.name, concurrency=2)
    [told] = listed(cast.qc, "pipelines", name=version.name)
    assert told["digest"] == "d" * 64
    assert told["models"] == [{"name": "deepbet", "version": "1.0", "digest": "c" * 64, "backend": "torchscript"}]
    assert told["limits"]["concurrency"] == 2
    assert api(cast.reader).get("/api/pipelines/").status_code == 403
    assert api(cast.admin).post("/api/pipelines/", {}).status_code == 405


def test_the_schema_is_valid_and_names_the_actions(tmp_path: Any) -> None:
    file = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    paths = yaml.safe_load(file.read_text())["paths"]
    assert {"get", "post"} >= set(paths["/api/jobs/{id}/rerun/"])
    assert "application/zip" in paths["/api/jobs/{id}/outputs/"]["get"]["responses"]["200"]["content"]
