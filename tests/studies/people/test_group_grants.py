"""Roles by groups of the directory: a real slapd, from its groups to what the pages open."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.conf import settings as configured
from django.test import Client
from pytest_django import Settings

from dicom_ingest.models import Exam
from portal.access import Role
from portal.accounts import directory_check
from portal.accounts.tasks import check_directory
from portal.audit.models import Entry
from portal.models import User
from studies.models import GroupGrant, Membership, Study
from studies.people import group_grants, members
from tests.conftest import Cast
from tests.protocols import open_study
from tests.slapd import GROUPS, Directory

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
WORD = "a-word-of-the-hospital"
STUDY_PAGE = "/studies/brain/"


@pytest.fixture
def ada(directory: Directory) -> str:
    """The DN of a person of the hospital."""
    return directory.add_person("ada", password=WORD)


@pytest.fixture
def readers(directory: Directory, ada: str, study: Study, cast: Cast) -> str:
    """The DN of a group with ada in it, whose members are readers of the study."""
    group = directory.add_group("Readers", ada)
    group_grants.grant(study, group, Role.READER, by=cast.coordinator)
    return group


def sign_in() -> Client:
    client = Client()
    client.post("/login/", {"username": "ada", "password": WORD})
    return client


def roles() -> set[str]:
    return set(Membership.objects.in_force().filter(user__username="ada").values_list("role", flat=True))


def test_who_is_in_the_group_is_a_member_from_the_first_page_on(readers: str) -> None:
    client = sign_in()
    assert client.get(STUDY_PAGE).status_code == 200
    membership = Membership.objects.get(user__username="ada")
    assert (membership.role, membership.source) == ("reader", "group")


def test_who_leaves_the_group_loses_the_role_at_the_next_check_and_gets_it_back_on_return(
    readers: str, ada: str, directory: Directory
) -> None:
    client = sign_in()
    directory.take_out(readers, ada)
    directory_check.check()
    assert client.get(STUDY_PAGE).status_code == 404
    assert client.get("/").status_code == 200, "the account itself is as good as before"
    directory.put_in(readers, ada)
    directory_check.check()
    assert client.get(STUDY_PAGE).status_code == 200
    assert Membership.objects.filter(user__username="ada").count() == 2, "the first stays on record"


def test_what_the_directory_does_is_on_record_as_the_systems_doing(
    readers: str, ada: str, directory: Directory
) -> None:
    sign_in()
    directory.remove(ada)
    directory_check.check()
    rows = list(Entry.objects.filter(actor="system").order_by("number").values_list("action", flat=True))
    assert rows[rows.index("role granted to a group") :] == [
        "role granted to a group",
        "role granted",
        "account made",
        "account closed by the directory",
        "role withdrawn",
    ]


def test_a_check_without_news_changes_nothing(readers: str) -> None:
    sign_in()
    before = list(Membership.objects.values())
    directory_check.check()
    assert list(Membership.objects.values()) == before


def test_who_is_gone_from_the_directory_has_no_role_left(readers: str, ada: str, directory: Directory) -> None:
    sign_in()
    directory.remove(ada)
    directory_check.check()
    assert roles() == set()


def test_a_role_by_invitation_outlives_the_group(readers: str, ada: str, directory: Directory, study: Study) -> None:
    sign_in()
    user = User.objects.get(username="ada")
    members.grant(study, user, Role.GOVERNANCE, source=Membership.Source.INVITATION)
    directory.take_out(readers, ada)
    directory_check.check()
    assert roles() == {"governance"}


def test_two_groups_with_one_role_are_one_membership_until_both_are_left(
    readers: str, ada: str, directory: Directory, study: Study, cast: Cast
) -> None:
    second = directory.add_group("Neuroradiology", ada)
    group_grants.grant(study, second, Role.READER, by=cast.coordinator)
    sign_in()
    assert Membership.objects.in_force().filter(user__username="ada").count() == 1
    directory.take_out(readers, ada)
    directory_check.check()
    assert roles() == {"reader"}
    directory.take_out(second, ada)
    directory_check.check()
    assert roles() == set()


def test_a_grant_and_its_withdrawal_count_at_once_for_whom_the_portal_knows(
    directory: Directory, ada: str, study: Study, cast: Cast
) -> None:
    group = directory.add_group("Quality", ada)
    sign_in()
    granted = group_grants.grant(study, group, Role.QC_REVIEWER, by=cast.coordinator)
    assert roles() == {"qc"}
    group_grants.withdraw(granted)
    assert roles() == set()
    with pytest.raises(group_grants.AlreadyGranted):
        for _ in range(2):
            group_grants.grant(study, group, Role.QC_REVIEWER, by=cast.coordinator)


def test_the_kind_of_reader_comes_with_the_group(directory: Directory, ada: str, cast: Cast, study: Study) -> None:
    other = open_study(
        "experts",
        ae_title=Study.objects.get(slug="liver").ae_title.__class__.objects.create(title="EXPERTS"),
        form=study.form,
        reader_roles=[{"key": "expert", "label": "Expert"}, {"key": "novice", "label": "Novice"}],
    )
    group = directory.add_group("Experts", ada)
    granted = group_grants.grant(other, group, Role.READER, reader_role="expert", by=cast.coordinator)
    sign_in()
    assert Membership.objects.get(user__username="ada").reader_role == "expert"
    group_grants.withdraw(granted)
    group_grants.grant(other, group, Role.READER, reader_role="novice", by=cast.coordinator)
    assert Membership.objects.in_force().get(user__username="ada").reader_role == "novice"


def test_the_page_grants_to_groups_that_the_directory_has(
    directory: Directory, ada: str, cast: Cast, signed_in: SignIn
) -> None:
    group = directory.add_group("Readers", ada)
    coordinator = signed_in(cast.coordinator)
    page = "/studies/brain/groups/"
    for wrong in (f"cn=nobody,{GROUPS}", "no DN at all", ada):
        answer = coordinator.post(page, {"group": wrong, "role": "reader"})
        assert answer.status_code == 422
        assert "has no such group" in answer.text
    written = group.upper().replace(",", " , ")
    assert coordinator.post(page, {"group": written, "role": "reader"})["Location"] == "/studies/brain/members/"
    assert GroupGrant.objects.get().group == group.lower()
    sign_in()
    shown = coordinator.get("/studies/brain/members/").text
    assert "Group readers" in shown
    assert "Ada Lovelace" in shown
    with directory.away():
        assert "cannot be reached" in coordinator.post(page, {"group": group, "role": "qc"}).text


def test_a_role_by_a_group_is_not_withdrawn_singly(readers: str, cast: Cast, signed_in: SignIn) -> None:
    sign_in()
    membership = Membership.objects.get(user__username="ada")
    answer = signed_in(cast.coordinator).post(f"/studies/brain/members/{membership.pk}/withdraw/", follow=True)
    assert "taken out of the group" in answer.text
    assert roles() == {"reader"}


def test_a_local_account_never_takes_the_name_of_a_hospital_account(
    directory: Directory, ada: str, cast: Cast, signed_in: SignIn
) -> None:
    from tests.studies.people.test_members import invite, open_account

    link = invite(signed_in(cast.coordinator), "ada@hospital.example")
    assert "hospital account has this name" in open_account(Client(), link).text  # type: ignore[attr-defined]
    assert not User.objects.filter(username="ada").exists()
    sign_in()
    assert User.objects.filter(username="ada").exists()


def test_a_revoked_account_is_out_everywhere_within_the_two_intervals(
    readers: str, ada: str, directory: Directory, settings: Settings, exam: Exam
) -> None:
    """The page, the API token, and DICOMweb by session and by token, whose decisions are remembered meanwhile."""
    settings.OVERREAD_DECISION_SECONDS, every = 2, 1
    browser = sign_in()
    token = Client().post("/api/token/", {"username": "ada", "password": WORD}).json()["token"]
    program = Client(headers={"Authorization": f"Token {token}"})
    ways: dict[str, Callable[[], bool]] = {
        "page": lambda: browser.get("/").status_code == 200,
        "API": lambda: program.get(f"/api/exams/{exam.study_instance_uid}/").status_code == 200,
        "DICOMweb by session": lambda: browser.get("/dicomweb/studies").status_code == 200,
        "DICOMweb by token": lambda: program.get("/dicomweb/studies").status_code == 200,
    }
    assert all(is_in() for is_in in ways.values())
    directory.remove(ada)
    started = time.monotonic()
    open_yet = set(ways)
    while open_yet:
        time.sleep(every)  # as the scheduler would
        check_directory.apply()
        open_yet = {way for way in open_yet if ways[way]()}
        assert time.monotonic() - started < 15, f"still let in: {open_yet}"
    assert time.monotonic() - started < every + settings.OVERREAD_DECISION_SECONDS + 2


def test_with_the_settings_as_they_come_that_is_less_than_a_minute() -> None:
    assert configured.OVERREAD_DIRECTORY_SECONDS + configured.OVERREAD_DECISION_SECONDS <= 55
