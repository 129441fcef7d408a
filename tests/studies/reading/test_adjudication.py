"""Where readers disagree, an adjudicator decides, and does not learn who said what."""

from __future__ import annotations

from typing import Any

import pytest

from feedback.forms import quality_form
from portal.access import Role
from portal.models import User
from studies.models import Membership, Read
from studies.reading import adjudication, assignment
from studies.reading.adjudication import disagree, opinions
from studies.reading.reads import open_read, submit
from tests.feedback.conftest import ANSWERS
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

pytestmark = pytest.mark.django_db
Kind = Read.Kind


@pytest.fixture
def panel() -> tuple[Bench, list[User]]:
    """Two readers of one case, who may differ by one point of quality."""
    rule = {"question": "quality", "tolerance": 1, "form": quality_form().slug}
    one = bench(INDEPENDENT, disagreement=rule)
    readers = [one.reader(name) for name in ("ada", "bob")]
    one.case()
    assignment.assign()
    return one, readers


def say(reader: User, quality: int, case: int = 1) -> None:
    read = Read.objects.get(reader=reader, case__number=case, kind=Kind.READ)
    claim = open_read(read.pk, by=reader).claim
    submit(read.pk, by=reader, claim=claim, answers=ANSWERS | {"quality": quality}, active=0.0)


@pytest.mark.parametrize(
    ("answers", "tolerance", "expected"),
    [
        ([3, 4], 1, False),
        ([3, 5], 1, True),
        ([3, 3.5], 0.4, True),
        (["yes", "yes"], 0, False),
        (["yes", "no"], 5, True),
        ([None, "yes"], 0, True),
        ([None, None], 0, False),
        ([["a"], ["a", "b"]], 0, True),
        ([], 0, False),
    ],
)
def test_numbers_may_lie_apart_as_far_as_the_protocol_says(
    answers: list[Any], tolerance: float, expected: bool
) -> None:
    assert disagree(answers, tolerance=tolerance) is expected


def test_nothing_is_decided_before_all_have_read_nor_where_they_agree(panel: tuple[Bench, list[User]]) -> None:
    one, (ada, bob) = panel
    one.reader("judge", Role.ADJUDICATOR)
    say(ada, 3)
    assert adjudication.assign() == 0
    say(bob, 4)
    assert adjudication.assign() == 0


def test_a_dispute_goes_to_an_adjudicator_once(panel: tuple[Bench, list[User]]) -> None:
    one, (ada, bob) = panel
    say(ada, 1)
    say(bob, 5)
    assert adjudication.assign() == 0, "there is nobody to decide yet"
    judge = one.reader("judge", Role.ADJUDICATOR)
    assert adjudication.assign() == 1
    assert adjudication.assign() == 0
    read = Read.objects.get(kind=Kind.ADJUDICATION)
    assert (read.reader, read.case.number, read.condition, read.arms) == (judge, 1, "alone", [])


def test_who_read_the_case_does_not_decide_it_and_others_take_turns(panel: tuple[Bench, list[User]]) -> None:
    one, (ada, bob) = panel
    Membership.objects.create(study=one.study, user=ada, role=Role.ADJUDICATOR)
    judges = [one.reader(name, Role.ADJUDICATOR) for name in ("judge-1", "judge-2")]
    one.cases(3)
    assignment.assign()
    for case in (1, 2, 3, 4):
        say(ada, 1, case)
        say(bob, 5, case)
    assert adjudication.assign() == 4
    decided = list(Read.objects.filter(kind=Kind.ADJUDICATION).values_list("reader", flat=True))
    assert sorted(decided.count(judge.pk) for judge in judges) == [2, 2]


def test_the_adjudicator_sees_what_was_said_and_not_by_whom(panel: tuple[Bench, list[User]]) -> None:
    one, (ada, bob) = panel
    one.reader("judge", Role.ADJUDICATOR)
    say(ada, 1)
    say(bob, 5)
    adjudication.assign()
    shown = opinions(Read.objects.get(kind=Kind.ADJUDICATION))
    assert [opinion.label for opinion in shown] == ["Reader 1", "Reader 2"]
    said = {dict(opinion.answers)["Overall quality"] for opinion in shown}
    assert said == {"1 Unusable", "5 Excellent"}
    assert not {"ada", "bob"} & set(str(shown).replace("'", " ").split())


def test_the_decision_becomes_the_truth_where_the_protocol_says_so() -> None:
    one = bench(
        INDEPENDENT,
        disagreement={"question": "quality", "form": quality_form().slug},
        reference={"source": "adjudication", "answers": ["quality"]},
    )
    ada, bob, judge = one.reader("ada"), one.reader("bob"), one.reader("judge", Role.ADJUDICATOR)
    case = one.case()
    assignment.assign()
    say(ada, 1)
    say(bob, 5)
    adjudication.assign()
    read = Read.objects.get(kind=Kind.ADJUDICATION)
    claim = open_read(read.pk, by=judge).claim
    submit(read.pk, by=judge, claim=claim, answers=ANSWERS | {"quality": 3}, active=0.0)
    assert [kept.values for kept in case.truths.all()] == [{"quality": 3}]


def test_what_all_readers_agree_on_is_the_truth_without_an_adjudicator() -> None:
    one = bench(
        INDEPENDENT,
        disagreement={"question": "quality", "tolerance": 1, "form": quality_form().slug},
        reference={"source": "adjudication", "answers": ["quality", "verdict"]},
    )
    ada, bob = one.reader("ada"), one.reader("bob")
    agreed, disputed = one.case(), one.case()
    assignment.assign()
    say(ada, 3, 1)
    adjudication.assign()
    assert not agreed.truths.exists(), "not all have read it"
    say(bob, 4, 1)
    say(ada, 1, 2)
    say(bob, 5, 2)
    adjudication.assign()
    adjudication.assign()
    assert [kept.values for kept in agreed.truths.all()] == [{"quality": 3.5, "verdict": ANSWERS["verdict"]}]
    assert not disputed.truths.exists()
