"""AE titles over REST."""

from collections.abc import Callable

import pytest
from django.test import Client

from dicom_ingest.models import AETitle
from portal.models import User
from tests.conftest import Cast

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]


def test_an_administrator_adds_and_changes_an_ae_title(cast: Cast, with_token: As) -> None:
    client = with_token(cast.admin)
    limits = {"allowed_addresses": ["10.0.0.0/8"], "accepted_sop_classes": ["1.2.840.10008.5.1.4.1.1.2"]}
    body = {"title": "LUNG", "quiet_period_seconds": 5, "priority": "urgent", **limits}
    added = client.post("/api/ae-titles/", body, content_type="application/json")
    assert added.status_code == 201, added.text
    changed = client.patch(
        f"/api/ae-titles/{added.json()['id']}/", {"maximum_associations": 4}, content_type="application/json"
    )
    assert changed.status_code == 200
    row = AETitle.objects.get(title="LUNG")
    assert (row.priority, row.allowed_addresses, row.maximum_associations) == ("urgent", ["10.0.0.0/8"], 4)


def test_what_cannot_be_is_refused_with_its_sentence(cast: Cast, with_token: As) -> None:
    body = {"title": "LUNG", "allowed_addresses": ["somewhere"]}
    answer = with_token(cast.admin).post("/api/ae-titles/", body, content_type="application/json")
    assert answer.status_code == 400
    assert "no address" in str(answer.json()["allowed_addresses"])


def test_a_coordinator_looks_and_changes_nothing(cast: Cast, with_token: As) -> None:
    client = with_token(cast.coordinator)
    assert [one["title"] for one in client.get("/api/ae-titles/").json()["results"]] == ["BRAIN", "LIVER"]
    assert client.post("/api/ae-titles/", {"title": "LUNG"}, content_type="application/json").status_code == 403


def test_for_others_there_is_nothing(cast: Cast, with_token: As) -> None:
    assert with_token(cast.reader).get("/api/ae-titles/").status_code == 404


def test_an_ae_title_is_never_deleted(cast: Cast, with_token: As) -> None:
    title = AETitle.objects.get(title="BRAIN")
    assert with_token(cast.admin).delete(f"/api/ae-titles/{title.pk}/").status_code == 405
