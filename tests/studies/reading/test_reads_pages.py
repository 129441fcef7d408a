"""A study's readers and their reads, for those who run it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.access import Role
from portal.audit.actions import Action
from portal.audit.models import Entry
from portal.models import User
from studies.models import Membership, Read, ReadingOrder
from studies.reading import assignment
from studies.reading.reads import open_read, submit
from tests.feedback.conftest import ANSWERS
from tests.studies.reading.reading import INDEPENDENT, ONE_SITTING, SCORING, Bench, bench

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
READS = "/studies/glioma/reads/"


@pytest.fixture
def run() -> tuple[Bench, User, User]:
    """A study that is being read by one reader, and its coordinator."""
    one = bench(ONE_SITTING)
    reader, boss = one.reader("first"), one.reader("boss", Role.COORDINATOR)
    one.cases(3)
    assignment.assign()
    return one, reader, boss


def test_progress_and_the_seed_are_shown_and_no_answer(run: tuple[Bench, User, User], signed_in: SignIn) -> None:
    _, reader, boss = run
    read = Read.objects.get(reader=reader, position=1)
    claim = open_read(read.pk, by=reader).claim
    submit(read.pk, by=reader, claim=claim, answers=ANSWERS, active=0.0)
    seed = ReadingOrder.objects.get().seed
    for address in (READS, f"{READS}{reader.pk}/"):
        page = signed_in(boss).get(address).content.decode()
        assert seed in page
        for word in (ANSWERS["comment"], "Accept", "Good"):
            assert str(word) not in page
    assert "<strong>1</strong> of 6" in signed_in(boss).get(READS).content.decode()


def test_what_holds_reads_up_is_said(signed_in: SignIn) -> None:
    one = bench(SCORING)
    one.reader("first")
    boss = one.reader("boss", Role.COORDINATOR)
    one.case(findings=("ai",))
    one.case()
    page = signed_in(boss).get(READS).content.decode()
    assert "1 case to be dealt out." in page
    assert "1 enrolled case waits for the finding of “Novice&#x27;s mask”." in page
    answer = signed_in(boss).post(f"{READS}assign/", follow=True).content.decode()
    assert "2 reads assigned." in answer


def test_who_reads_blind_in_the_study_does_not_see_what_was_drawn(
    run: tuple[Bench, User, User], signed_in: SignIn
) -> None:
    one, reader, boss = run
    Membership.objects.create(study=one.study, user=boss, role=Role.READER)
    assert ReadingOrder.objects.get().seed not in signed_in(boss).get(READS).content.decode()
    assert signed_in(boss).get(f"{READS}{reader.pk}/").status_code == 404


def test_a_late_reader_is_given_what_was_dealt_before(run: tuple[Bench, User, User], signed_in: SignIn) -> None:
    one, _, boss = run
    late = one.reader("late")
    assert "lacks 3 earlier cases" in signed_in(boss).get(READS).content.decode()
    signed_in(boss).post(f"{READS}earlier/", {"to": "late"})
    assert len(one.order(late)) == 6
    assert "lacks" not in signed_in(boss).get(READS).content.decode()
    given = Entry.objects.get(action=Action.READS_GIVEN)
    assert (given.actor, given.study, given.detail) == ("boss", "glioma", {"reads": 6, "reader": late.pk})


def test_reads_are_withdrawn_with_a_reason_only(run: tuple[Bench, User, User], signed_in: SignIn) -> None:
    _, reader, boss = run
    read = Read.objects.get(reader=reader, position=1)
    address = f"{READS}{reader.pk}/change/"
    refused = signed_in(boss).post(address, {"read": str(read.pk), "reason": ""}, follow=True).content.decode()
    assert "Say why" in refused
    done = signed_in(boss).post(address, {"read": str(read.pk), "reason": "Treats the patient"}, follow=True)
    assert "2 reads withdrawn." in done.content.decode()
    assert "Treats the patient" in done.content.decode()
    assert Read.objects.filter(state=Read.State.WITHDRAWN).count() == 2


def test_a_study_that_nobody_reads_yet_says_what_to_do(signed_in: SignIn) -> None:
    one = bench(INDEPENDENT)
    boss = one.reader("boss", Role.COORDINATOR)
    assert "Nobody reads in this study yet" in signed_in(boss).get(READS).content.decode()


def test_the_number_of_queries_grows_with_neither_readers_nor_reads(signed_in: SignIn) -> None:
    one = bench(INDEPENDENT)
    boss = one.reader("boss", Role.COORDINATOR)
    one.reader("first")
    one.case()
    assignment.assign()
    browser = signed_in(boss)
    browser.get(READS)
    few = _queries(browser)
    for number in range(5):
        one.reader(f"reader-{number}")
    one.cases(5)
    assignment.assign()
    assert _queries(browser) == few


def _queries(browser: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        browser.get(READS)
    return len(captured)
