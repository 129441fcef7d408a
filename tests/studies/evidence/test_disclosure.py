"""Results are for whom the protocol unblinds, for others once the study is locked; never for those at work in it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.access import Role
from portal.models import User
from studies.cases import truth
from studies.models import CaseTruth, Membership, Study, TruthVersion
from studies.protocols import protocol
from tests.studies.evidence.evidence import WITH_TRUTH
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

pytestmark = pytest.mark.django_db
ADDRESSES = ("study-results", "study-results-export", "study-report", "study-report-progress")
WORKING = (Role.READER, Role.ANNOTATOR, Role.ADJUDICATOR, Role.QC_REVIEWER)


def statuses(one: Bench, user: User) -> set[int]:
    """What the pages of results answer to the user; a report that nobody asked for leads back to the results."""
    client = Client()
    client.force_login(user)
    found = {client.get(reverse(name, args=[one.study.slug])).status_code for name in ADDRESSES}
    found.add(client.post(reverse("study-report-ask", args=[one.study.slug])).status_code)
    return {200 if status == 302 else status for status in found}


def in_stage(one: Bench, stage: Study.Stage) -> None:
    one.study.stage = stage
    one.study.save()


def test_a_blinded_study_under_way_shows_results_to_governance_alone() -> None:
    one = bench(INDEPENDENT)
    expected = {role: {404} for role in Role} | {
        Role.GOVERNANCE: {200},
        Role.COORDINATOR: {403},
        Role.DATA_SCIENTIST: {403},
    }
    assert {role: statuses(one, one.reader(f"u-{role}", role)) for role in Role} == expected


def test_the_protocol_in_force_may_name_others() -> None:
    one = bench(INDEPENDENT, blinding={"readers": "blinded", "patient": "hidden", "unblinded": ["scientist"]})
    board, scientist = one.reader("board", Role.GOVERNANCE), one.reader("scientist", Role.DATA_SCIENTIST)
    assert (statuses(one, board), statuses(one, scientist)) == ({403}, {200})
    content = protocol.current(one.study).content
    blinding = content.blinding.model_copy(update={"unblinded": ("governance",)})
    amended = protocol.amend(one.study, reason="?", by=None, protocol=content.model_copy(update={"blinding": blinding}))
    assert statuses(one, board) == {403}
    protocol.freeze(amended, by=None)
    assert (statuses(one, board), statuses(one, scientist)) == ({200}, {403})


def test_once_locked_it_shows_them_to_everybody_who_may_ever_see_them() -> None:
    one = bench(INDEPENDENT)
    users = {role: one.reader(f"u-{role}", role) for role in Role}
    in_stage(one, Study.Stage.LOCKED)
    seeing = {Role.GOVERNANCE, Role.COORDINATOR, Role.DATA_SCIENTIST}
    assert {role for role, user in users.items() if statuses(one, user) == {200}} == seeing
    assert all(statuses(one, users[role]) == {404} for role in WORKING)


@pytest.mark.parametrize("role", WORKING)
def test_who_works_in_a_study_sees_none_before_the_lock_whatever_else_they_are(role: Role) -> None:
    one = bench(INDEPENDENT)
    both = one.reader("both", role)
    Membership.objects.create(study=one.study, user=both, role=Role.GOVERNANCE)
    User.objects.filter(pk=both.pk).update(is_superuser=True)
    both.refresh_from_db()
    assert statuses(one, both) == {403}
    in_stage(one, Study.Stage.LOCKED)
    assert statuses(one, both) == {200}


def test_who_sets_the_truth_sees_none_before_a_version_of_it_is_locked() -> None:
    one = bench(INDEPENDENT, **WITH_TRUTH)
    coordinator, board = one.reader("coordinator", Role.COORDINATOR), one.reader("board", Role.GOVERNANCE)
    in_stage(one, Study.Stage.LOCKED)
    assert (statuses(one, coordinator), statuses(one, board)) == ({403}, {200})
    version = TruthVersion.objects.create(study=one.study, number=1, source="import", made_by=coordinator)
    CaseTruth.objects.create(version=version, case=one.case(), values={"quality": 4})
    truth.lock_newest(one.study, by=coordinator)
    assert statuses(one, coordinator) == {200}


def test_coordinators_of_a_study_with_open_readers_see_what_they_see_anyway() -> None:
    one = bench(INDEPENDENT, blinding={"readers": "open", "patient": "shown"})
    assert statuses(one, one.reader("coordinator", Role.COORDINATOR)) == {200}
    assert statuses(one, one.reader("scientist", Role.DATA_SCIENTIST)) == {403}


def test_whoever_is_refused_is_told_why_and_what_would_change_it() -> None:
    one = bench(INDEPENDENT)
    client = Client()
    client.force_login(one.reader("coordinator", Role.COORDINATOR))
    answer = client.get(reverse("study-results", args=[one.study.slug]))
    assert "its protocol shows results to: governance" in answer.content.decode()


def test_an_outsider_learns_nothing(outsider: User) -> None:
    assert statuses(bench(INDEPENDENT), outsider) == {404}


@pytest.fixture
def outsider() -> User:
    return User.objects.create_user("outsider")
