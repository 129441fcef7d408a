"""Decisions are remembered for a moment, so that frames cost no query, and for no longer than that."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from dicom_ingest.models import Exam
from portal.models import User
from studies.models import Membership
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, T1

SERIES = f"/dicomweb/studies/{STUDY}/series/{T1}"
FRAMES = [f"{SERIES}/instances/{T1}.{number}/frames/1" for number in (1, 2, 3)]
Clients = Callable[[User], Client]


@pytest.mark.parametrize("how", ["with_token", "signed_in"])
def test_frames_of_a_series_cost_no_query_after_the_first(
    how: str, scanned: Exam, cast: Cast, request: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = request.getfixturevalue(how)(cast.reader)
    assert client.get(FRAMES[0]).status_code == 200
    with django_assert_num_queries(0):
        for url in FRAMES:
            assert client.get(url).status_code == 200


def test_what_one_may_see_another_may_not(scanned: Exam, cast: Cast, with_token: Clients, signed_in: Clients) -> None:
    assert with_token(cast.reader).get(FRAMES[0]).status_code == 200
    for client in (with_token(cast.outsider), signed_in(cast.outsider)):
        assert client.get(FRAMES[0]).status_code == 404
    assert Client().get(FRAMES[0]).status_code == 401


def test_a_revoked_membership_and_a_switched_off_account_count_within_the_time(
    scanned: Exam, cast: Cast, with_token: Clients, settings: Settings
) -> None:
    settings.OVERREAD_DECISION_SECONDS = 1
    reader, qc = with_token(cast.reader), with_token(cast.qc)
    assert [client.get(FRAMES[0]).status_code for client in (reader, qc)] == [200, 200]
    Membership.objects.filter(user=cast.reader).delete()
    User.objects.filter(pk=cast.qc.pk).update(is_active=False)
    assert _after_a_second(lambda: [client.get(FRAMES[0]).status_code for client in (reader, qc)]) == [404, 401]


def test_who_changes_something_is_asked_for_anew(scanned: Exam, cast: Cast, with_token: Clients) -> None:
    client = with_token(cast.coordinator)
    assert client.get(FRAMES[0]).status_code == 200
    User.objects.filter(pk=cast.coordinator.pk).update(is_active=False)
    assert client.post("/dicomweb/studies", b"", content_type="application/dicom").status_code == 401


def test_who_logs_out_is_a_stranger_at_once(scanned: Exam, cast: Cast, signed_in: Clients) -> None:
    client = signed_in(cast.reader)
    assert client.get(FRAMES[0]).status_code == 200
    cookie = client.cookies["sessionid"].value
    client.post("/logout/")
    client.cookies["sessionid"] = cookie
    assert client.get(FRAMES[0]).status_code == 401


def test_an_instance_that_arrives_meanwhile_is_there(scanned: Exam, cast: Cast, with_token: Clients) -> None:
    from tests.dicom_ingest.scans import mr_slice, receive

    client = with_token(cast.reader)
    late = f"{SERIES}/instances/{T1}.4/frames/1"
    assert [client.get(url).status_code for url in (FRAMES[0], late)] == [200, 404]
    receive(mr_slice(4))
    assert client.get(late).status_code == 200


def test_without_the_cache_the_database_answers(
    scanned: Exam, cast: Cast, with_token: Clients, signed_in: Clients, settings: Settings
) -> None:
    nowhere = {**settings.CACHES["decisions"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {**settings.CACHES, "decisions": nowhere}
    for client in (with_token(cast.reader), signed_in(cast.reader)):
        for url in (*FRAMES, f"{SERIES}/thumbnail"):
            assert client.get(url).status_code == 200


def test_the_cache_holds_no_patient_and_no_password(scanned: Exam, cast: Cast, with_token: Clients) -> None:
    from redis import Redis

    assert with_token(cast.reader).get(FRAMES[0]).status_code == 200
    location = portal_settings.CACHES["decisions"]["LOCATION"]
    with Redis.from_url(location) as valkey:
        held = [valkey.get(key) or b"" for key in valkey.scan_iter("overread:*")]
    assert held
    for secret in (b"DEMO-0001", b"Demo^", cast.reader.password.encode()):
        assert not any(secret in value for value in held)


def _after_a_second(ask: Callable[[], Any]) -> Any:
    import time

    time.sleep(1.1)
    return ask()
