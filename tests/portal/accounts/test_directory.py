"""Signing in with the hospital's directory: a real slapd, which takes passwords over TLS alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import Settings

from portal.accounts import directory_check
from portal.accounts.directory import connected, is_locked, look_up
from portal.accounts.entries import DirectoryIsAway
from portal.accounts.models import DirectoryAccount
from portal.models import User
from tests.conftest import PASSWORD
from tests.slapd import SECRET, Directory, write_certificates

pytestmark = pytest.mark.django_db
WORD = "a-word-of-the-hospital"


def sign_in(username: str = "ada", password: str = WORD) -> Client:
    client = Client()
    client.answer = client.post("/login/", {"username": username, "password": password})  # type: ignore[attr-defined]
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_a_person_of_the_directory_signs_in_and_gets_an_account_with_name_and_mail(directory: Directory) -> None:
    dn = directory.add_person("ada", password=WORD)
    group = directory.add_group("Readers", dn)
    assert is_in(sign_in())
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("ada", "Ada Lovelace", "ada@hospital.example")
    assert not user.has_usable_password()
    assert (user.directory_account.dn, user.directory_account.groups) == (dn, [group.lower()])


def test_ldaps_and_a_password_in_a_file_do_as_well(directory: Directory, settings: Settings, tmp_path: Path) -> None:
    directory.add_person("ada", password=WORD)
    (tmp_path / "password").write_text(f"{SECRET}\n")
    settings.OVERREAD_LDAP = replace(
        directory.settings,
        url=f"ldaps://127.0.0.1:{directory.port + 1}",
        bind_password="",
        bind_password_file=str(tmp_path / "password"),
    )
    assert is_in(sign_in())


def test_a_certificate_of_another_ca_is_not_believed(directory: Directory, settings: Settings, tmp_path: Path) -> None:
    directory.add_person("ada", password=WORD)
    write_certificates(tmp_path)
    settings.OVERREAD_LDAP = replace(directory.settings, ca_file=str(tmp_path / "ca.pem"))
    client = sign_in()
    assert not is_in(client)
    assert "cannot be reached" in client.answer.text  # type: ignore[attr-defined]
    with pytest.raises(DirectoryIsAway, match="CONNECT_ERROR"), connected():
        pass


@pytest.mark.parametrize("password", ["another-word", "", " "])
def test_a_wrong_or_an_empty_password_lets_nobody_in(directory: Directory, password: str) -> None:
    directory.add_person("ada", password=WORD)
    client = sign_in(password=password)
    assert not is_in(client)
    assert not User.objects.exists()


def test_a_user_name_is_no_filter(directory: Directory) -> None:
    directory.add_person("ada", password=WORD)
    for name in ("*", "a*", "ada)(uid=*", "ada)(|(uid=*))"):
        assert not is_in(sign_in(name)), name
    assert is_in(sign_in("ADA"))
    assert User.objects.get().username == "ada"


def test_whether_a_user_exists_does_not_show(directory: Directory, db: None) -> None:
    directory.add_person("ada", password=WORD)
    User.objects.create_user("local", password=PASSWORD)
    said = {sign_in(name, "wrong").answer.context["form"].non_field_errors()[0] for name in ("ada", "local", "nobody")}  # type: ignore[attr-defined]
    assert len(said) == 1


def test_a_local_account_works_beside_the_directory_and_is_taken_over_by_nobody(directory: Directory) -> None:
    User.objects.create_superuser("ada", password=PASSWORD)
    directory.add_person("ada", password=WORD)
    assert not is_in(sign_in("ada"))
    assert not is_in(sign_in("Ada"))
    assert is_in(sign_in("ada", PASSWORD))
    with directory.away():
        assert is_in(sign_in("ada", PASSWORD))


def test_an_account_that_an_administrator_switched_off_here_stays_off(directory: Directory) -> None:
    directory.add_person("ada", password=WORD)
    client = sign_in()
    User.objects.update(is_active=False)
    assert not is_in(client)
    assert not is_in(sign_in())
    assert not User.objects.get().is_active


def test_a_locked_person_cannot_sign_in_and_leaves_no_account(directory: Directory) -> None:
    directory.lock(directory.add_person("ada", password=WORD))
    assert not is_in(sign_in())
    assert not User.objects.exists()


def test_a_deleted_person_is_out_at_the_next_check_and_in_again_when_back(directory: Directory) -> None:
    dn = directory.add_person("ada", password=WORD)
    client = sign_in()
    directory_check.check()
    assert is_in(client)
    directory.remove(dn)
    directory_check.check()
    assert not is_in(client)
    assert DirectoryAccount.objects.get().closed == DirectoryAccount.Closed.GONE
    directory.add_person("ada", password=WORD)
    directory_check.check()
    assert is_in(client)


def test_a_locked_person_is_out_at_the_next_check_until_unlocked(directory: Directory) -> None:
    dn = directory.add_person("ada", password=WORD)
    client = sign_in()
    directory.lock(dn)
    directory_check.check()
    assert not is_in(client)
    directory.unlock(dn)
    directory_check.check()
    assert is_in(client)


def test_the_api_token_of_a_closed_account_is_refused(directory: Directory) -> None:
    dn = directory.add_person("ada", password=WORD)
    token = Client().post("/api/token/", {"username": "ada", "password": WORD}).json()["token"]
    program = Client(headers={"Authorization": f"Token {token}"})
    assert program.get("/api/exams/").status_code == 200
    directory.remove(dn)
    directory_check.check()
    refused = program.get("/api/exams/")
    assert refused.status_code == 401
    assert "closed in the hospital's directory" in refused.json()["detail"]


def test_a_directory_that_is_away_throws_nobody_out_until_the_grace_is_over(
    directory: Directory, settings: Settings
) -> None:
    directory.add_person("ada", password=WORD)
    client = sign_in()
    with directory.away():
        with pytest.raises(DirectoryIsAway, match="did not answer"):
            directory_check.check()
        assert is_in(client)
        _let_pass(settings.OVERREAD_LDAP.grace_seconds)
        assert not is_in(client)
        answer = sign_in().answer  # type: ignore[attr-defined]
        assert "directory cannot be reached" in answer.text
    directory_check.check()
    assert is_in(client)


def test_a_check_that_breaks_off_half_way_closes_nobody(directory: Directory, settings: Settings) -> None:
    directory.add_person("ada", password=WORD)
    client = sign_in()
    settings.OVERREAD_LDAP = replace(directory.settings, group_base="ou=nowhere,dc=hospital,dc=example")
    with pytest.raises(DirectoryIsAway, match="NO_SUCH_OBJECT"):
        directory_check.check()
    assert is_in(client)


def test_the_group_of_administrators_makes_one_and_leaving_it_ends_that(
    directory: Directory, settings: Settings
) -> None:
    dn = directory.add_person("ada", password=WORD)
    group = directory.add_group("Overread administrators", dn)
    settings.OVERREAD_LDAP = replace(directory.settings, admin_group=group)
    client = sign_in()
    assert client.get("/admin/").status_code == 200
    directory.take_out(group, dn)
    directory_check.check()
    assert client.get("/admin/").status_code == 302
    assert is_in(client)


def test_only_those_who_could_still_come_in_are_asked_about(directory: Directory) -> None:
    dn = directory.add_person("ada", password=WORD)
    sign_in()
    User.objects.update(last_login=now() - timedelta(days=2))
    directory.remove(dn)
    directory_check.check()
    assert DirectoryAccount.objects.get().closed == ""


def test_a_nested_or_unusual_group_is_a_matter_of_the_filter(directory: Directory, settings: Settings) -> None:
    dn = directory.add_person("ada", password=WORD)
    directory.add_group("Readers", dn)
    by_name = directory.add_group("Others")
    settings.OVERREAD_LDAP = replace(directory.settings, group_filter="(&(cn=Others)(!(cn=%(user)s)))")
    with connected() as connection:
        entry = look_up(connection, "ada")
    assert entry is not None and entry.groups == {by_name.lower()}


@pytest.mark.parametrize(
    ("attributes", "locked"),
    [
        ({}, False),
        ({"userAccountControl": ["512"]}, False),
        ({"userAccountControl": ["514"]}, True),
        ({"accountExpires": ["9223372036854775807"]}, False),
        ({"accountExpires": ["0"]}, False),
        ({"accountExpires": ["132539328000000000"]}, True),
        ({"accountExpires": ["198648288000000000"]}, False),
        ({"pwdAccountLockedTime": ["000001010000Z"]}, True),
        ({"pwdAccountLockedTime": ["20260101120000Z"]}, False),
        ({"nsAccountLock": ["TRUE"]}, True),
    ],
)
def test_what_counts_as_locked(attributes: dict[str, list[str]], locked: bool) -> None:
    """2021-01-01 and 2230-07-02 for the two dates of accountExpires."""
    assert is_locked(attributes) is locked


def _let_pass(seconds: float) -> None:
    account = DirectoryAccount.objects.get()
    account.confirmed_at -= timedelta(seconds=seconds)
    account.save()
