"""Who may do what over DICOMweb: every resource, by every member of the cast, by token, by session and by neither."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import resolve

from dicom_ingest.dicomweb.urls import urlpatterns
from dicom_ingest.models import Exam
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import ROOT, STUDY, T1, encoded, mr_slice

BELOW_STUDY = [
    f"/studies/{STUDY}",
    f"/studies/{STUDY}/metadata",
    f"/studies/{STUDY}/series",
    f"/studies/{STUDY}/instances",
    f"/studies/{STUDY}/series/{T1}",
    f"/studies/{STUDY}/series/{T1}/metadata",
    f"/studies/{STUDY}/series/{T1}/instances",
    f"/studies/{STUDY}/series/{T1}/instances/{T1}.1",
    f"/studies/{STUDY}/series/{T1}/instances/{T1}.1/metadata",
    f"/studies/{STUDY}/series/{T1}/instances/{T1}.1/frames/1",
    f"/studies/{STUDY}/series/{T1}/instances/{T1}.1/bulkdata/00280010",
    *(
        f"/studies/{STUDY}{below}/{kind}"
        for below in ("", f"/series/{T1}", f"/series/{T1}/instances/{T1}.1", f"/series/{T1}/instances/{T1}.1/frames/1")
        for kind in ("rendered", "thumbnail")
    ),
]
SEARCHES = ["/studies", "/series", "/instances"]
MEMBERS = ["admin", "coordinator", "reader", "other_reader", "qc", "governance", "scientist"]
SENDERS = {"admin", "coordinator"}


def post(client: Client, path: str = "/studies", **extra: Any) -> Any:
    message = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n" + encoded(mr_slice(1)) + b"\r\n--b--"
    content_type = 'multipart/related; type="application/dicom"; boundary=b'
    return client.post(f"/dicomweb{path}", message, content_type=content_type, **extra)


def test_the_matrix_names_every_resource() -> None:
    routes = {resolve(f"/dicomweb{path}").route for path in BELOW_STUDY + SEARCHES}
    assert routes == {f"dicomweb/{each.pattern}" for each in urlpatterns}


@pytest.mark.parametrize("member", MEMBERS)
def test_members_of_the_study_see_its_exams_by_token_and_by_session(
    member: str,
    scanned: Exam,
    cast: Cast,
    with_token: Callable[[User], Client],
    signed_in: Callable[[User], Client],
) -> None:
    user = getattr(cast, member)
    for client in (with_token(user), signed_in(user)):
        for path in BELOW_STUDY:
            assert client.get(f"/dicomweb{path}").status_code == HTTPStatus.OK, path
        for path in SEARCHES:
            assert len(client.get(f"/dicomweb{path}").json()) >= 1, path


def test_an_outsider_cannot_tell_a_hidden_exam_from_none(
    scanned: Exam, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    client = with_token(cast.outsider)
    for path in BELOW_STUDY:
        hidden, absent = client.get(f"/dicomweb{path}"), client.get(f"/dicomweb{path.replace(STUDY, f'{ROOT}.404')}")
        assert (hidden.status_code, hidden.content) == (HTTPStatus.NOT_FOUND, absent.content), path
        assert sorted(hidden.headers.items()) == sorted(absent.headers.items())
    for path in SEARCHES:
        assert client.get(f"/dicomweb{path}", {"StudyInstanceUID": STUDY}).json() == []


@pytest.mark.parametrize("path", ["/studies/..", "/studies/1.02", "/studies/%00", f"/studies/{'1' * 65}", "/studies/é"])
def test_what_is_no_uid_is_not_there(
    path: str, scanned: Exam, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    response = with_token(cast.admin).get(f"/dicomweb{path}/metadata")
    assert response.status_code == HTTPStatus.NOT_FOUND


def test_a_uid_of_another_branch_is_not_there(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> None:
    client = with_token(cast.reader)
    assert client.get(f"/dicomweb/studies/{ROOT}.404/series/{T1}").status_code == HTTPStatus.NOT_FOUND
    other = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{ROOT}.1.2.1"
    assert client.get(other).status_code == HTTPStatus.NOT_FOUND


def test_nobody_gets_anything_without_a_login(scanned: Exam) -> None:
    client = Client()
    for path in BELOW_STUDY + SEARCHES:
        response = client.get(f"/dicomweb{path}")
        assert response.status_code == HTTPStatus.UNAUTHORIZED
        assert response["WWW-Authenticate"] == "Token"
        assert "Authorization: Token" in response.json()["detail"]
    assert post(client).status_code == HTTPStatus.UNAUTHORIZED


def test_a_wrong_token_is_refused(scanned: Exam) -> None:
    response = Client(headers={"Authorization": "Token 0123456789"}).get("/dicomweb/studies")
    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert "Invalid token" in response.json()["detail"]


def test_a_user_who_was_switched_off_is_refused(
    scanned: Exam, cast: Cast, with_token: Callable[[User], Client], signed_in: Callable[[User], Client]
) -> None:
    clients = [with_token(cast.reader), signed_in(cast.reader)]
    User.objects.filter(pk=cast.reader.pk).update(is_active=False)
    assert {client.get("/dicomweb/studies").status_code for client in clients} == {HTTPStatus.UNAUTHORIZED}


@pytest.mark.parametrize("member", [*MEMBERS, "outsider"])
def test_only_those_who_may_send_exams_store_instances(
    member: str, db: None, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    response = post(with_token(getattr(cast, member)))
    if member in SENDERS:
        assert response.status_code == HTTPStatus.OK
        assert Exam.objects.count() == 1
    else:
        assert response.status_code == HTTPStatus.FORBIDDEN
        assert "lets you send exams" in response.json()["detail"]
        assert Exam.objects.count() == 0


def test_a_session_stores_only_with_its_csrf_token(db: None, cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.coordinator)
    client.get("/login/")
    refused = post(client)
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert "CSRF" in refused.json()["detail"]
    client.cookies["csrftoken"] = token = "t" * 32
    assert post(client, headers={"X-CSRFToken": token}).status_code == HTTPStatus.OK


def test_a_token_needs_no_csrf_token(db: None, cast: Cast, with_token: Callable[[User], Client]) -> None:
    client = with_token(cast.coordinator)
    client.handler.enforce_csrf_checks = True
    assert post(client).status_code == HTTPStatus.OK


def test_a_method_that_is_not_possible_is_refused_with_those_that_are(
    scanned: Exam, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    client = with_token(cast.admin)
    response = client.delete(f"/dicomweb/studies/{STUDY}")
    assert (response.status_code, response["Allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, POST")
    assert client.put("/dicomweb/series")["Allow"] == "GET"
    assert client.head(f"/dicomweb/studies/{STUDY}/series/{T1}").status_code == HTTPStatus.OK


def test_an_anonymous_visitor_sees_no_exam_even_below_the_views(scanned: Exam) -> None:
    assert not Exam.objects.visible_to(AnonymousUser()).exists()
