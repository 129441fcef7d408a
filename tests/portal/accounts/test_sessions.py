"""How long a session lasts, what counts as a sign of its user, and whose answers are taken."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils.timezone import now
from pytest_django import Settings

from inference.models import Result
from portal.accounts.sessions import ENDS, STARTED
from portal.models import User
from tests.conftest import PASSWORD, Cast

SignIn = Callable[[User], Client]
PAGE = {"Accept": "text/html"}
POLL = {"HX-Request": "true", "Accept": "text/html"}


@pytest.fixture
def reader(cast: Cast, signed_in: SignIn) -> Client:
    return signed_in(cast.reader)


def let_pass(client: Client, seconds: float) -> None:
    """The client's session is so much older."""
    session = client.session
    session[ENDS] -= seconds
    session[STARTED] -= seconds
    session.set_expiry(max(1, round(session[ENDS] - time.time())))
    session.save()
    if session[ENDS] <= time.time():
        Session.objects.filter(pk=session.session_key).update(expire_date=now())


def test_a_session_ends_without_a_sign_of_its_user(reader: Client, settings: Settings) -> None:
    assert reader.get("/", headers=PAGE).status_code == 200
    let_pass(reader, settings.OVERREAD_IDLE_SECONDS + 1)
    assert reader.get("/", headers=PAGE)["Location"] == "/login/?next=/"


def test_opening_a_page_and_sending_something_make_it_last_longer(reader: Client, settings: Settings) -> None:
    signs: list[Callable[[], object]] = [lambda: reader.get("/", headers=PAGE), lambda: reader.post("/session/")]
    for sign in signs:
        let_pass(reader, settings.OVERREAD_IDLE_SECONDS - 60)
        assert reader.get("/session/").json()["seconds"] <= 60
        sign()
        assert reader.get("/session/").json()["seconds"] > settings.OVERREAD_IDLE_SECONDS - 10


def test_parts_that_ask_by_themselves_and_images_do_not(reader: Client, settings: Settings) -> None:
    let_pass(reader, settings.OVERREAD_IDLE_SECONDS - 60)
    reader.get("/", headers=POLL)
    reader.get("/dicomweb/studies", headers={"Accept": "application/dicom+json"})
    reader.get("/api/exams/", headers={"Accept": "application/json"})
    assert reader.get("/session/").json()["seconds"] <= 60


def test_no_session_lasts_beyond_a_working_day(reader: Client, settings: Settings) -> None:
    session = reader.session
    session[STARTED] -= settings.SESSION_COOKIE_AGE - 100
    session.save()
    reader.post("/session/")
    let_pass(reader, 0)
    session = reader.session
    session[ENDS] -= settings.OVERREAD_IDLE_SECONDS / 2
    session.save()
    assert 0 < reader.post("/session/").json()["seconds"] <= 100
    session = reader.session
    session[STARTED] -= 200
    session.save()
    assert reader.post("/session/").json() == {"user": None, "seconds": 0}


def test_not_every_page_writes_the_session_anew(reader: Client) -> None:
    reader.get("/", headers=PAGE)
    before = Session.objects.get().expire_date
    reader.get("/", headers=PAGE)
    assert Session.objects.get().expire_date == before


def test_a_part_of_a_page_is_refused_without_a_login_page_in_its_place(client: Client, result: Result) -> None:
    for method in ("get", "post"):
        refused = getattr(client, method)(f"/results/{result.pk}/feedback/", headers=POLL)
        assert (refused.status_code, refused.content) == (401, b"")


def test_what_one_user_entered_is_not_taken_from_another(cast: Cast, signed_in: SignIn, result: Result) -> None:
    client = signed_in(cast.other_reader)
    address = f"/results/{result.pk}/feedback/"
    refused = client.post(address, headers=POLL | {"X-Overread-User": str(cast.reader.pk)})
    assert (refused.status_code, refused["X-Overread-Another"]) == (401, "1")
    own = client.post(address, headers=POLL | {"X-Overread-User": str(cast.other_reader.pk)})
    assert own.status_code == 409, "it is asked for anew, since no stopwatch came along"


def test_signing_in_again_is_for_the_pages_own_user(client: Client, cast: Cast) -> None:
    page_user = str(cast.reader.pk)
    other = client.post("/session/sign-in/", {"username": "reader2", "password": PASSWORD, "page_user": page_user})
    assert other.status_code == 409
    assert client.get("/session/").json()["user"] is None
    wrong = client.post("/session/sign-in/", {"username": "reader1", "password": "?", "page_user": page_user})
    assert wrong.status_code == 422
    assert "correct username" in wrong.json()["problem"]
    own = client.post("/session/sign-in/", {"username": "reader1", "password": PASSWORD, "page_user": page_user})
    assert own.json()["user"] == page_user
    assert own.json()["seconds"] > 60


def test_signing_in_again_needs_the_csrf_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    refused = client.post("/session/sign-in/", {"username": "reader1", "password": PASSWORD})
    assert refused.status_code == 403
