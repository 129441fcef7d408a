"""The pages of models and their REST: what they tell, and that only administrators change anything."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from dicom_ingest.models import Exam
from inference import model_registry, pipeline, registration
from inference.models import Job, PipelineVersion, RegisteredModel
from inference.stage_models import Stage
from portal.models import User
from tests.conftest import Cast

SignedIn = Callable[[User], Client]


def text_of(content: bytes) -> str:
    """What one reads on a page."""
    body = content.decode().partition("<main")[2] or content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def page(client: Client, name: str, *args: object) -> str:
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200
    return text_of(response.content)


@pytest.fixture
def version(db: None) -> PipelineVersion:
    """brain-extraction as this installation ships it."""
    return registration.register(pipeline.load_named("brain-extraction"))


@pytest.fixture
def deepbet(version: PipelineVersion) -> RegisteredModel:
    return version.registered_models.get()


def test_the_list_tells_version_stage_backend_pipelines_and_signer(
    cast: Cast, signed_in: SignedIn, deepbet: RegisteredModel
) -> None:
    RegisteredModel.objects.create(
        name="hips", version="0.1", digest="h", backend="onnx", signed_by="vendor", card={"demonstration": True}
    )
    shown = page(signed_in(cast.scientist), "models")
    assert "deepbet 1.0.2 Development torchscript brain-extraction nobody" in shown
    assert "hips demonstration 0.1 Development onnx none vendor" in shown


def test_without_a_model_the_list_says_where_they_come_from(cast: Cast, signed_in: SignedIn) -> None:
    assert "manage.py models import" in page(signed_in(cast.scientist), "models")


def test_a_models_page_tells_its_limits_card_figures_digest_files_and_history(
    cast: Cast, signed_in: SignedIn, deepbet: RegisteredModel, exam: Exam, version: PipelineVersion
) -> None:
    Job.objects.create(pipeline=version, exam=exam, fingerprint="a")
    model_registry.move(deepbet.pk, to=Stage.PILOT, by="admin", reason="The board said so.")
    shown = page(signed_in(cast.scientist), "model", deepbet.pk)
    assert "used by brain-extraction, 1 job on exams that you may see" in shown
    assert "Limits Published for T1-weighted images of healthy adults." in shown
    assert "7,837 T1-weighted head MR images" in shown
    assert "Dice, median 0.99" in shown
    assert deepbet.digest in shown
    assert f"model.pt {deepbet.files['model.pt']}" in shown
    assert "Pilot from development admin The board said so." in shown
    assert "Signed by nobody; Overread ships these checksums" in shown
    assert "Change the stage" not in shown
    assert "Demonstration model" not in shown


def test_jobs_on_exams_of_other_studies_are_not_counted(
    cast: Cast, signed_in: SignedIn, deepbet: RegisteredModel, version: PipelineVersion
) -> None:
    elsewhere = Exam.objects.create(study_instance_uid="1.2.3")
    Job.objects.create(pipeline=version, exam=elsewhere, fingerprint="a")
    assert "0 jobs on exams" in page(signed_in(cast.scientist), "model", deepbet.pk)
    assert "1 job on exams" in page(signed_in(cast.admin), "model", deepbet.pk)


def test_a_demonstration_model_and_one_on_triton_say_what_they_are(cast: Cast, signed_in: SignedIn) -> None:
    shown = RegisteredModel.objects.create(
        name="liver",
        version="1",
        digest="l",
        backend="triton",
        source={"kind": "triton", "model": "liver-lobes", "version": "3"},
        card={"demonstration": True},
        stage=Stage.RETIRED,
    )
    said = page(signed_in(cast.qc), "model", shown.pk)
    assert "Demonstration model, not for clinical use." in said
    assert "Retired: new exams do not go to it." in said
    assert "Its card tells no limits." in said
    assert "liver-lobes version 3 on Triton." in said
    assert "other weights under the same name it does not" in said


def test_administrators_change_the_stage_with_a_reason(
    cast: Cast, signed_in: SignedIn, deepbet: RegisteredModel
) -> None:
    admin = signed_in(cast.admin)
    assert "Change the stage" in page(admin, "model", deepbet.pk)
    address = reverse("model-stage", args=[deepbet.pk])
    assert "This field is required" in text_of(admin.post(address, {"to": "pilot", "reason": ""}).content)
    assert "active is not one of" in text_of(admin.post(address, {"to": "active", "reason": "Now."}).content)
    answered = admin.post(address, {"to": "pilot", "reason": "Phantoms done."}, follow=True)
    assert "deepbet 1.0.2 went from development to pilot." in text_of(answered.content)
    latest = deepbet.stage_changes.all()[0]
    assert (latest.after, latest.by, latest.reason) == (Stage.PILOT, "admin", "Phantoms done.")
    assert signed_in(cast.scientist).post(address, {"to": "active", "reason": "Me too."}).status_code == 404

    RegisteredModel.objects.filter(pk=deepbet.pk).update(card={"demonstration": True})
    refused = text_of(admin.post(address, {"to": "active", "reason": "Try."}).content)
    assert "never becomes active: it is not for clinical use" in refused
    deepbet.refresh_from_db()
    assert deepbet.stage == Stage.PILOT


def test_rest_tells_the_same_to_those_who_see_the_pages(
    cast: Cast, signed_in: SignedIn, deepbet: RegisteredModel
) -> None:
    scientist = signed_in(cast.scientist)
    (told,) = scientist.get("/api/models/?stage=development").json()["results"]
    assert (told["name"], told["version"], told["digest"]) == ("deepbet", "1.0.2", deepbet.digest)
    assert told["pipelines"] == ["brain-extraction"]
    assert told["card"]["licence"] == "MIT"
    assert told["source"]["kind"] == "package"
    assert [change["after"] for change in told["stage_changes"]] == ["development"]
    assert scientist.get("/api/models/?stage=retired").json()["count"] == 0
    assert scientist.get(f"/api/models/?digest={deepbet.digest}").json()["count"] == 1
    assert scientist.patch(f"/api/models/{deepbet.pk}/", {"stage": "active"}).status_code == 405
    assert signed_in(cast.reader).get("/api/models/").status_code == 403
