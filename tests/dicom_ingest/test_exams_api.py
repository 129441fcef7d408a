"""The REST API's view of exams."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from dicom_ingest.models import Exam, Route, Series
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import FLAIR, ROOT, STUDY, T1, complete, mr_slice, receive


@pytest.fixture
def reader(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    complete(scanned)
    return with_token(cast.reader)


def listed(client: Client, **parameters: str) -> list[dict[str, Any]]:
    response = client.get("/api/exams/", parameters)
    assert response.status_code == 200, response.content
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def test_an_exam_says_who_what_when_and_by_which_route(reader: Client) -> None:
    exam = reader.get(f"/api/exams/{STUDY}/").json()
    assert exam["study_instance_uid"] == STUDY
    assert exam["accession_number"] == "ACC0001"
    assert exam["patient_id"] == "DEMO-0001"
    assert exam["patient_name"] == "Demo^Älder=山田"
    assert exam["study_date"] == "2024-03-15"
    assert exam["study_description"] == "MR Brain"
    assert exam["modalities"] == ["MR"]
    assert exam["state"] == "complete"
    assert exam["received_at"] is not None
    assert [(one["series_instance_uid"], one["instances"]) for one in exam["series"]] == [(T1, 3), (FLAIR, 1)]
    (route,) = exam["routes"]
    assert (route["called_ae"], route["calling_ae"], route["received_instances"]) == ("BRAIN", "SCANNER", 4)
    assert route["completed_at"] is not None


def test_an_exam_that_still_arrives_says_so(reader: Client) -> None:
    Route.objects.update(completed_at=None)
    assert reader.get(f"/api/exams/{STUDY}/").json()["state"] == "receiving"


def test_a_superseded_series_is_left_out(reader: Client) -> None:
    Series.objects.filter(series_instance_uid=FLAIR).update(superseded_at=now())
    assert [one["series_instance_uid"] for one in reader.get(f"/api/exams/{STUDY}/").json()["series"]] == [T1]


@pytest.mark.parametrize(
    ("parameters", "matches"),
    [
        ({"study_instance_uid": STUDY}, True),
        ({"study_instance_uid": f"{ROOT}.9"}, False),
        ({"accession_number": "ACC0001"}, True),
        ({"accession_number": "ACC"}, False),
        ({"patient_id": "DEMO-0001"}, True),
        ({"patient_id": "demo-0001"}, False),
    ],
)
def test_exams_are_found_by_exact_keys(reader: Client, parameters: dict[str, str], matches: bool) -> None:
    assert bool(listed(reader, **parameters)) is matches


def test_an_outsider_finds_no_exam_and_cannot_tell_that_there_is_one(
    scanned: Exam, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    client = with_token(cast.outsider)
    assert listed(client) == []
    hidden, absent = client.get(f"/api/exams/{STUDY}/"), client.get(f"/api/exams/{ROOT}.404/")
    assert (hidden.status_code, hidden.content) == (404, absent.content)


def test_nobody_gets_anything_without_a_login_and_nothing_can_be_changed(scanned: Exam, reader: Client) -> None:
    assert Client().get("/api/exams/").status_code == 401
    assert reader.post("/api/exams/", {}).status_code == 405
    assert reader.delete(f"/api/exams/{STUDY}/").status_code == 405


def test_a_longer_list_costs_no_more_queries(reader: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    authentication, page, record = 2, 4, 3  # the token, and whether the directory still knows its account
    with django_assert_num_queries(authentication + page + record):
        assert len(listed(reader)) == 1
    for number in range(2, 6):
        other = f"{ROOT}.{number}"
        (instance,) = receive(mr_slice(1, study=other, series=f"{other}.1"))
        complete(instance.series.exam)
    with django_assert_num_queries(authentication + page + record):
        assert len(listed(reader)) == 5


def test_the_schema_describes_exams_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.validation import validate_schema

    from dicom_ingest.urls import urlpatterns

    GENERATOR_STATS.reset()
    schema = SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    validate_schema(schema)  # type: ignore[no-untyped-call]
    assert capsys.readouterr().err == ""
    assert not GENERATOR_STATS
    assert {path for path in schema["paths"] if "exams" in path} == {
        "/api/exams/",
        "/api/exams/{study_instance_uid}/",
        "/api/exams/{study_instance_uid}/complete/",
    }
    parameters = {parameter["name"] for parameter in schema["paths"]["/api/exams/"]["get"]["parameters"]}
    assert {"study_instance_uid", "accession_number", "patient_id"} <= parameters
