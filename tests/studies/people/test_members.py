"""Members and invitations, as the coordinator and the invited meet them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from pytest_django import Settings

from portal.access import Role
from portal.audit.models import Entry
from portal.models import User
from studies.models import Invitation, Membership, Study
from studies.people import invitations, members
from tests.conftest import PASSWORD, Cast

SignIn = Callable[[User], Client]
PAGE = "/studies/brain/members/"
NEW_PASSWORD = "correct-horse-battery"
ACCOUNT = {"username": "ada", "first_name": "Ada", "last_name": "Lovelace"}


@pytest.fixture
def coordinator(cast: Cast, signed_in: SignIn) -> Client:
    return signed_in(cast.coordinator)


def invite(client: Client, addressee: str = "ada@hospital.example", role: str = "reader") -> str:
    """Invite by the page; the address of the link that it shows."""
    answer = client.post("/studies/brain/invitations/", {"addressee": addressee, "role": role}, follow=True)
    return link_on(answer.text)


def link_on(page: str) -> str:
    found = re.search(r'value="http://testserver(/invitation/\?key=[\w-]+)"', page)
    assert found, page
    return found[1]


def key_of(link: str) -> str:
    return link.partition("key=")[2]


def open_account(client: Client, link: str, **changed: str) -> object:
    answers = ACCOUNT | {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "key": key_of(link)} | changed
    return client.post("/invitation/account/", answers)


def roles_of(user: User, study: str = "brain") -> set[str]:
    return set(Membership.objects.in_force().filter(user=user, study__slug=study).values_list("role", flat=True))


def test_the_page_says_who_has_which_role_since_when_and_by_what(coordinator: Client, cast: Cast) -> None:
    page = coordinator.get(PAGE).text
    for name in ("coordinator", "reader1", "reader2", "qc", "governance", "scientist"):
        assert name in page
    assert "Administrator" in page
    assert "outsider" not in page
    assert "just now" in page


def test_the_invited_makes_an_account_and_is_in(coordinator: Client, client: Client, cast: Cast, study: Study) -> None:
    link = invite(coordinator)
    page = client.get(link).text
    assert "Brain volume" in page and "reader" in page and "I have no account" in page
    answer = open_account(client, link)
    assert answer["Location"] == "/studies/brain/"  # type: ignore[index]
    ada = User.objects.get(username="ada")
    assert (ada.email, ada.get_full_name(), roles_of(ada)) == ("ada@hospital.example", "Ada Lovelace", {"reader"})
    assert client.get("/studies/brain/").status_code == 200
    membership = Membership.objects.get(user=ada)
    assert (membership.source, membership.invitation.invited_by) == ("invitation", cast.coordinator)
    assert "Invitation by coordinator" in coordinator.get(PAGE).text


def test_somebody_with_an_account_signs_in_and_accepts(coordinator: Client, client: Client, cast: Cast) -> None:
    link = invite(coordinator, "outsider", "qc")
    page = client.get(link).text
    assert "I have no account" not in page
    sign_in = re.search(r'href="(/login/\?next=[^"]+)"', page)
    assert sign_in
    client.get(sign_in[1])
    answer = client.post("/login/", {"username": "outsider", "password": PASSWORD, "next": link})
    assert answer["Location"] == link
    assert "Accept and open the study" in client.get(link).text
    assert client.post("/invitation/", {"key": key_of(link)})["Location"] == "/studies/brain/"
    assert roles_of(cast.outsider) == {"qc"}


def test_a_link_works_once(coordinator: Client, client: Client, cast: Cast, signed_in: SignIn) -> None:
    link = invite(coordinator)
    open_account(client, link)
    late = Client()
    assert late.get(link).status_code == 410
    assert open_account(late, link, username="eve").status_code == 410  # type: ignore[attr-defined]
    assert not User.objects.filter(username="eve").exists()
    assert signed_in(cast.outsider).post("/invitation/", {"key": key_of(link)}).status_code == 410


@pytest.mark.parametrize("over", [{"expires_at": now() - timedelta(seconds=1)}, {"withdrawn_at": now()}])
def test_a_link_that_is_out_of_date_or_withdrawn_lets_nobody_in(
    coordinator: Client, cast: Cast, over: dict[str, object]
) -> None:
    link = invite(coordinator)
    Invitation.objects.update(**over)
    assert "opens nothing any more" in Client().get(link).text
    with pytest.raises(invitations.NotInvited, match="new link"):
        invitations.accept(Invitation.objects.get(), cast.outsider)
    assert roles_of(cast.outsider) == set()


def test_a_made_up_link_is_not_found(client: Client, db: None) -> None:
    assert client.get("/invitation/?key=made-up").status_code == 404
    assert client.get("/invitation/").status_code == 404


def test_the_key_is_kept_nowhere(coordinator: Client, cast: Cast) -> None:
    key = key_of(invite(coordinator))
    assert key not in str(Invitation.objects.values().get())
    assert key not in coordinator.get(PAGE).text, "the link is shown once"


def test_a_new_link_replaces_the_old_one(coordinator: Client, cast: Cast) -> None:
    old = invite(coordinator)
    pk = Invitation.objects.get().pk
    new = link_on(coordinator.post(f"/studies/brain/invitations/{pk}/renew/", follow=True).text)
    assert Client().get(old).status_code == 404
    assert Client().get(new).status_code == 200


def test_an_invitation_by_user_name_is_for_that_user_alone(coordinator: Client, cast: Cast, signed_in: SignIn) -> None:
    link = invite(coordinator, "ada")
    refused = signed_in(cast.outsider).post("/invitation/", {"key": key_of(link)})
    assert refused.status_code == 409
    assert "for the user ada" in refused.text
    client = Client()
    open_account(client, link, username="eve")
    assert roles_of(User.objects.get(username="ada")) == {"reader"}
    assert not User.objects.filter(username="eve").exists()


@pytest.mark.parametrize("password", ["short", "123456789012", "password1234", "lovelace-ada"])
def test_a_weak_password_is_refused_with_the_reason(
    coordinator: Client, client: Client, cast: Cast, password: str
) -> None:
    link = invite(coordinator)
    answer = open_account(client, link, password1=password, password2=password)
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert 'role="alert"' in answer.text  # type: ignore[attr-defined]
    assert not User.objects.filter(username="ada").exists()


def test_without_local_accounts_the_invited_has_to_have_one(
    coordinator: Client, client: Client, cast: Cast, settings: Settings
) -> None:
    settings.OVERREAD_LOCAL_ACCOUNTS = False
    link = invite(coordinator)
    assert "I have no account" not in client.get(link).text
    assert open_account(client, link).status_code == 409  # type: ignore[attr-defined]
    assert not User.objects.filter(username="ada").exists()


def test_with_a_mail_server_the_link_goes_by_mail_and_not_on_the_page(
    coordinator: Client, client: Client, cast: Cast, settings: Settings
) -> None:
    settings.OVERREAD_MAIL_URL = "smtp://mail.hospital.example"
    page = coordinator.post(
        "/studies/brain/invitations/", {"addressee": "ada@hospital.example", "role": "reader"}, follow=True
    ).text
    assert "/invitation/?key=" not in page
    [sent] = mail.outbox
    assert sent.to == ["ada@hospital.example"]
    link = re.search(r"http://testserver(/invitation/\S+)", str(sent.body))
    assert link and client.get(link[1]).status_code == 200


def test_a_mail_server_that_is_away_costs_no_invitation(coordinator: Client, cast: Cast, settings: Settings) -> None:
    settings.OVERREAD_MAIL_URL = "smtp://127.0.0.1:1"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert invite(coordinator)


@pytest.mark.parametrize(
    ("addressee", "says"),
    [("", "Enter whom you invite"), ("a b", "valid username"), ("ada@", "valid email"), ("x" * 300, "254")],
)
def test_a_wrong_addressee_is_said_beside_the_field(coordinator: Client, cast: Cast, addressee: str, says: str) -> None:
    answer = coordinator.post("/studies/brain/invitations/", {"addressee": addressee, "role": "reader"})
    assert answer.status_code == 422
    assert says in answer.text
    assert not Invitation.objects.exists()


def test_a_withdrawn_role_is_over_at_once_and_stays_on_record(
    coordinator: Client, cast: Cast, signed_in: SignIn
) -> None:
    reader = signed_in(cast.reader)
    assert reader.get("/studies/brain/").status_code == 200
    membership = Membership.objects.get(user=cast.reader)
    coordinator.post(f"{PAGE}{membership.pk}/withdraw/")
    assert reader.get("/studies/brain/").status_code == 404
    membership.refresh_from_db()
    assert membership.withdrawn_at is not None
    assert "Withdrawn roles" in coordinator.get(PAGE).text


def test_nobody_withdraws_the_last_coordinator(coordinator: Client, cast: Cast, study: Study) -> None:
    own = Membership.objects.get(user=cast.coordinator)
    answer = coordinator.post(f"{PAGE}{own.pk}/withdraw/", follow=True)
    assert "is the only coordinator" in answer.text
    assert roles_of(cast.coordinator) == {"coordinator"}
    second, _ = members.grant(study, cast.reader, Role.COORDINATOR, source=Membership.Source.ADMINISTRATOR)
    assert coordinator.post(f"{PAGE}{own.pk}/withdraw/")["Location"] == "/"
    with pytest.raises(members.NotWithdrawn, match="only coordinator"):
        members.withdraw(second)


def test_a_coordinator_who_cannot_come_in_does_not_count(cast: Cast, study: Study) -> None:
    members.grant(study, cast.reader, Role.COORDINATOR, source=Membership.Source.ADMINISTRATOR)
    User.objects.filter(pk=cast.reader.pk).update(is_active=False)
    with pytest.raises(members.NotWithdrawn):
        members.withdraw(Membership.objects.get(user=cast.coordinator))


def test_only_coordinators_of_this_study_and_administrators_manage_its_members(cast: Cast, signed_in: SignIn) -> None:
    Membership.objects.create(study=Study.objects.get(slug="liver"), user=cast.outsider, role=Role.COORDINATOR)
    membership = Membership.objects.get(user=cast.reader)
    for who in (cast.outsider, cast.reader, cast.governance, cast.qc):
        client = signed_in(who)
        assert client.get(PAGE).status_code == 404
        assert client.post("/studies/brain/invitations/", {"addressee": "x", "role": "reader"}).status_code == 404
        assert client.post(f"{PAGE}{membership.pk}/withdraw/").status_code == 404
    foreign = f"/studies/liver/members/{membership.pk}/withdraw/"
    assert signed_in(cast.outsider).post(foreign).status_code == 404, "the membership is of another study"
    assert signed_in(cast.admin).get(PAGE).status_code == 200
    assert roles_of(cast.reader) == {"reader"}


def test_a_role_that_is_held_already_is_not_granted_twice(coordinator: Client, cast: Cast, signed_in: SignIn) -> None:
    link = invite(coordinator, "reader1", "reader")
    signed_in(cast.reader).post("/invitation/", {"key": key_of(link)})
    assert Membership.objects.filter(user=cast.reader).count() == 1
    assert Client().get(link).status_code == 410


def test_the_page_asks_the_database_as_often_for_many_members_as_for_few(
    coordinator: Client, cast: Cast, study: Study
) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            user = User.objects.create_user(f"member{number}")
            members.grant(study, user, Role.READER, source=Membership.Source.INVITATION)
            invitations.invite(study, f"m{number}@hospital.example", Role.READER, by=cast.coordinator)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert coordinator.get(PAGE).status_code == 200
        return len(asked)

    add(range(2))
    few = queries()
    add(range(2, 60))
    assert queries() == few < 25


def test_what_is_done_about_members_is_on_record_with_who_did_it(coordinator: Client, cast: Cast, study: Study) -> None:
    client = Client()
    open_account(client, invite(coordinator))
    coordinator.post(f"{PAGE}{Membership.objects.get(user__username='ada').pk}/withdraw/")
    rows = [(row.actor, row.action, row.study) for row in Entry.objects.order_by("number")]
    for row in [
        ("coordinator", "member invited", "brain"),
        ("ada", "account made", ""),
        ("ada", "role granted", "brain"),
        ("ada", "invitation accepted", "brain"),
        ("coordinator", "role withdrawn", "brain"),
    ]:
        assert row in rows
