"""A local account's password is changed by its holder; a hospital account's is kept by the hospital."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from portal.accounts.models import DirectoryAccount
from portal.models import User
from tests.conftest import PASSWORD, Cast

SignIn = Callable[[User], Client]
PAGE = "/account/password/"
NEW = "correct-horse-battery"


def change(client: Client, new: str = NEW, *, old: str = PASSWORD) -> str:
    return client.post(PAGE, {"old_password": old, "new_password1": new, "new_password2": new}, follow=True).text


def test_the_holder_changes_it_and_stays_signed_in_here_alone(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/login/", {"username": "reader1", "password": PASSWORD})
    assert here.get(PAGE).status_code == 200
    assert "Your password is changed" in change(here)
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert Client().post("/login/", {"username": "reader1", "password": NEW}).status_code == 302


def test_a_weak_or_wrong_one_is_refused_with_the_reason(cast: Cast) -> None:
    client = Client()
    client.post("/login/", {"username": "reader1", "password": PASSWORD})
    assert "at least 12 characters" in change(client, "short")
    assert "entirely numeric" in change(client, "123456789012345")
    assert "old password was entered incorrectly" in change(client, old="wrong")
    assert Client().post("/login/", {"username": "reader1", "password": PASSWORD}).status_code == 302


def test_a_hospital_account_has_no_such_page_and_no_link_to_it(cast: Cast, signed_in: SignIn) -> None:
    assert PAGE in signed_in(cast.reader).get("/").text
    DirectoryAccount.objects.create(user=cast.reader)
    client = signed_in(cast.reader)
    assert client.get(PAGE).status_code == 404
    page = client.get("/").text
    assert "hospital account" in page and PAGE not in page
