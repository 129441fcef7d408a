"""Wrong passwords: counted for each user name and address, and none tried for a while after too many."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.core.cache import cache
from django.test import Client
from django.utils.timezone import localtime, now
from pytest_django import Settings

from tests.conftest import PASSWORD, Cast

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unthrottled() -> None:
    cache.clear()  # the throttle of `token` counts other tests' requests


def fail(username: str = "reader1", *, times: int = 5, address: str = "10.0.0.1") -> None:
    for _ in range(times):
        try_password(username, "wrong", address=address)


def try_password(username: str = "reader1", password: str = PASSWORD, *, address: str = "10.0.0.1") -> str:
    """What the login page says; empty when it lets in."""
    answer = Client(REMOTE_ADDR=address).post("/login/", {"username": username, "password": password})
    return "" if answer.status_code == 302 else str(answer.context["form"].non_field_errors()[0])


def test_after_five_wrong_passwords_the_right_one_is_not_tried_and_the_page_says_until_when(cast: Cast) -> None:
    fail(times=4)
    assert "correct username" in try_password("reader2", "wrong")
    fail(times=1)
    said = try_password()
    until = localtime(now() + timedelta(minutes=15))
    assert re.search(rf"after ({until:%H:%M}|{until - timedelta(minutes=1):%H:%M}), in 15 minutes", said)
    answer = Client(REMOTE_ADDR="10.0.0.1").post("/login/", {"username": "reader1", "password": PASSWORD})
    assert answer.status_code == 429
    assert 'role="alert"' in answer.text


def test_the_last_attempt_before_the_lock_already_says_so(cast: Cast) -> None:
    fail(times=4)
    fail(times=1)
    assert "Too many attempts" in try_password(password="wrong")


def test_others_are_not_locked_out(cast: Cast) -> None:
    fail()
    assert try_password("reader2") == ""
    assert try_password("reader1", address="10.0.0.2") == ""


def test_another_case_of_the_user_name_counts_as_the_same(cast: Cast) -> None:
    for name in ("reader1", "Reader1", "READER1", " reader1", "reaDer1"):
        fail(name, times=1)
    assert "Too many attempts" in try_password()


def test_time_unlocks_and_attempts_meanwhile_do_not_prolong_it(cast: Cast, settings: Settings) -> None:
    fail()
    AccessAttempt.objects.update(attempt_time=now() - settings.AXES_COOLOFF_TIME + timedelta(seconds=30))
    assert "in 1 minute." in try_password()
    assert "in 1 minute." in try_password(password="wrong")
    AccessAttempt.objects.update(attempt_time=now() - settings.AXES_COOLOFF_TIME - timedelta(seconds=1))
    assert try_password() == ""


def test_a_success_forgets_the_failures_before_it(cast: Cast) -> None:
    fail(times=4)
    assert try_password() == ""
    fail(times=4)
    assert try_password() == ""


def test_whether_there_is_such_a_user_does_not_show(cast: Cast) -> None:
    fail("reader1")
    fail("nobody-here")
    assert try_password("reader1") == try_password("nobody-here")


def test_the_api_token_is_locked_too_and_says_for_how_long(cast: Cast) -> None:
    client = Client(REMOTE_ADDR="10.0.0.1")
    credentials = {"username": "reader1", "password": "wrong"}
    said = [client.post("/api/token/", credentials).status_code for _ in range(6)]
    assert said == [400, 400, 400, 400, 429, 429]
    locked = client.post("/api/token/", credentials | {"password": PASSWORD}, content_type="application/json")
    assert locked.status_code == 429
    assert 0 < int(locked["Retry-After"]) <= 900
    assert "Too many attempts" in locked.json()["detail"]


def test_the_page_under_admin_is_locked_with_the_others(cast: Cast) -> None:
    fail("admin")
    answer = Client(REMOTE_ADDR="10.0.0.1").post("/admin/login/", {"username": "admin", "password": PASSWORD})
    assert "Too many attempts" in answer.text


def test_behind_the_proxy_the_address_is_the_one_that_the_proxy_wrote(cast: Cast, settings: Settings) -> None:
    settings.OVERREAD_TRUSTED_PROXIES = ["172.16.0.0/12"]
    for made_up in range(5):
        forwarded = f"1.2.3.{made_up}, 10.0.0.1"
        proxied = Client(REMOTE_ADDR="172.16.0.1", headers={"X-Forwarded-For": forwarded})
        proxied.post("/login/", {"username": "reader1", "password": "wrong"})
    elsewhere = Client(REMOTE_ADDR="172.16.0.1", headers={"X-Forwarded-For": "10.0.0.2"})
    assert elsewhere.post("/login/", {"username": "reader1", "password": PASSWORD}).status_code == 302
    assert "Too many attempts" in proxied.post("/login/", {"username": "reader1", "password": PASSWORD}).text


def test_no_password_is_kept_of_an_attempt(cast: Cast) -> None:
    try_password(password="my-real-one")
    attempt = AccessAttempt.objects.get()
    assert "my-real-one" not in f"{attempt.post_data} {attempt.get_data}"
