"""Cases dealt out to readers: once, in an order that never moves, also when readers come and go."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import now

from portal.access import Role
from studies.models import Case, Membership, Read, ReadingOrder, Study, StudySeed
from studies.reading.assignment import assign, assign_in
from studies.reading.reassignment import NotReassigned, give_earlier_cases, reassign, take_back, withdraw
from tests.studies.reading.reading import CROSSOVER, INDEPENDENT, ONE_SITTING, SCORING, bench

pytestmark = pytest.mark.django_db
State = Read.State


def test_every_enrolled_case_is_dealt_to_every_reader_once() -> None:
    one = bench(INDEPENDENT)
    first, second = one.reader("first"), one.reader("second")
    one.cases(3)
    one.case(state=Case.State.AWAITING_QC)
    assert assign() == 6
    assert assign() == 0
    for reader in (first, second):
        assert sorted(one.order(reader)) == [(1, "alone"), (2, "alone"), (3, "alone")]
        positions = Read.objects.filter(reader=reader).values_list("position", flat=True)
        assert sorted(positions) == [1, 2, 3]
    assert ReadingOrder.objects.filter(study=one.study).count() == 2
    assert all(len(order.seed) == 64 for order in ReadingOrder.objects.all())


def test_positions_never_move_when_cases_and_readers_come() -> None:
    one = bench(SCORING)
    reader = one.reader("first")
    one.cases(4)
    assign()
    before = one.order(reader)
    one.cases(3)
    one.reader("second")
    assign()
    after = one.order(reader)
    assert after[: len(before)] == before
    assert sorted(case for case, _ in after[len(before) :]) == [5, 5, 6, 6, 7, 7]


def test_a_case_waits_until_every_arm_that_is_shown_has_its_finding() -> None:
    one = bench(SCORING)
    one.reader("first")
    case = one.case(findings=("ai",))
    assert assign() == 0
    one.find(case, "novice")
    assert assign() == 2


@pytest.mark.parametrize("stage", [Study.Stage.DRAFT, Study.Stage.LOCKED, Study.Stage.CLOSED])
def test_nothing_is_dealt_in_a_study_that_is_not_being_read(stage: Study.Stage) -> None:
    one = bench(INDEPENDENT, stage=stage)
    one.reader("first")
    one.case()
    assert assign() == 0


def test_pilot_cases_are_read_in_the_pilot_and_no_longer() -> None:
    one = bench(INDEPENDENT, stage=Study.Stage.PILOT)
    one.reader("first")
    one.case(is_pilot=True)
    one.case(is_pilot=True)
    assert assign() == 2
    assert set(Read.objects.values_list("is_pilot", flat=True)) == {True}
    assert Read.objects.due().count() == 2
    Study.objects.update(stage=Study.Stage.ACTIVE)
    one.case()
    assert assign() == 1
    assert [read.case.number for read in Read.objects.due()] == [3]


def test_the_second_read_is_not_due_before_the_first_is_submitted() -> None:
    one = bench(ONE_SITTING)
    one.reader("first")
    one.cases(2)
    assign()
    assert {read.condition for read in Read.objects.due()} == {"unaided"}
    assert Read.objects.filter(condition="aided", after__condition="unaided").count() == 2


def test_in_a_crossover_new_readers_fill_the_smaller_block() -> None:
    one = bench(CROSSOVER)
    for n in range(6):
        one.reader(f"reader-{n}")
        one.case()
        assign()
    blocks = list(
        ReadingOrder.objects.filter(study=one.study).order_by("drawn_at", "pk").values_list("block", flat=True)
    )
    assert [sorted(blocks[n : n + 2]) for n in (0, 2, 4)] == [[0, 1]] * 3


def test_who_joins_later_gets_what_comes_and_by_a_coordinators_choice_what_was(cast: Any) -> None:
    one = bench(ONE_SITTING)
    one.reader("first")
    one.cases(3)
    assign()
    late = one.reader("late")
    one.case()
    assign()
    assert one.order(late) == [(4, "unaided"), (4, "aided")]
    assert give_earlier_cases(one.study, to=late, by=cast.coordinator) == 6
    assert give_earlier_cases(one.study, to=late, by=cast.coordinator) == 0
    assert {case for case, _ in one.order(late)} == {1, 2, 3, 4}
    assert one.order(late)[:2] == [(4, "unaided"), (4, "aided")]


def test_some_readers_share_the_cases_and_a_leavers_go_to_the_others() -> None:
    one = bench(INDEPENDENT | {"readers_per_case": 2})
    readers = [one.reader(f"reader-{n}") for n in range(3)]
    one.cases(6)
    assert assign() == 12
    assert [len(one.order(reader)) for reader in readers] == [4, 4, 4]
    Membership.objects.filter(user=readers[0]).update(withdrawn_at=now())
    assert take_back() == 4
    assert assign() == 4
    assert [len(one.order(reader)) for reader in readers] == [0, 6, 6]
    assert assign() == 0


def test_a_case_with_too_few_readers_gets_more_as_they_come() -> None:
    one = bench(INDEPENDENT | {"readers_per_case": 2})
    one.reader("first")
    one.cases(2)
    assert assign() == 2
    second = one.reader("second")
    assert assign() == 2
    assert len(one.order(second)) == 2


def test_who_only_decides_from_now_on_loses_their_reads() -> None:
    one = bench(INDEPENDENT)
    reader = one.reader("first")
    one.case()
    assign()
    Membership.objects.filter(user=reader).update(role=Role.ADJUDICATOR)
    assert take_back() == 1


def test_submitted_reads_of_a_leaver_stay() -> None:
    one = bench(INDEPENDENT)
    reader = one.reader("first")
    one.cases(2)
    assign()
    done = Read.objects.filter(reader=reader).first()
    assert done is not None
    Read.objects.filter(pk=done.pk).update(state=State.SUBMITTED, submitted_at=now())
    Membership.objects.filter(user=reader).update(withdrawn_at=now())
    take_back()
    assert sorted(Read.objects.values_list("state", flat=True)) == [State.SUBMITTED, State.WITHDRAWN]


def test_reads_of_a_case_that_leaves_are_taken_back_and_come_again_with_it() -> None:
    one = bench(INDEPENDENT)
    one.reader("first")
    case = one.case()
    assign()
    Case.objects.filter(pk=case.pk).update(state=Case.State.QC_REJECTED)
    assert take_back() == 1
    assert Read.objects.get().withdrawal == Read.Withdrawal.CASE_LEFT
    Case.objects.filter(pk=case.pk).update(state=Case.State.ENROLLED)
    take_back()
    assert (Read.objects.get().state, Read.objects.get().withdrawal) == (State.ASSIGNED, "")
    assert assign() == 0


def test_a_coordinator_withdraws_with_a_reason_and_what_follows_goes_too(cast: Any) -> None:
    one = bench(ONE_SITTING)
    reader = one.reader("first")
    one.cases(2)
    assign()
    unaided = Read.objects.filter(condition="unaided", case__number=1)
    with pytest.raises(NotReassigned, match="Say why"):
        withdraw(unaided, reason=" ", by=cast.coordinator)
    assert withdraw(unaided, reason="Knows the patient", by=cast.coordinator) == 2
    assert {case for case, _ in one.order(reader)} == {2}
    assert assign() == 0


def test_what_is_reassigned_is_read_by_the_other_in_their_own_order(cast: Any) -> None:
    one = bench(ONE_SITTING)
    first = one.reader("first")
    one.cases(3)
    assign()
    other = one.reader("other")
    aided = Read.objects.filter(condition="aided", case__number=2)
    assert reassign(aided, to=other, reason="On leave", by=cast.coordinator) == 2
    assert one.order(other) == [(2, "unaided"), (2, "aided")]
    assert (2, "aided") not in one.order(first)
    with pytest.raises(NotReassigned, match="no reader"):
        reassign(Read.objects.filter(reader=first), to=cast.coordinator, reason="x", by=cast.coordinator)


def test_a_withdrawn_read_that_is_given_again_keeps_its_place(cast: Any) -> None:
    one = bench(INDEPENDENT)
    reader = one.reader("first")
    one.cases(3)
    assign()
    before = one.order(reader)
    withdraw(Read.objects.filter(case__number=2), reason="By mistake", by=cast.coordinator)
    assert give_earlier_cases(one.study, to=reader, by=cast.coordinator) == 1
    assert one.order(reader) == before


def test_postgresql_keeps_what_a_read_is_and_forgets_none() -> None:
    one = bench(ONE_SITTING)
    one.reader("first")
    one.case()
    assign()
    unaided, aided = Read.objects.order_by("position")
    for change in ({"position": 9}, {"arms": ["ai"]}, {"condition": "aided"}, {"is_pilot": True}, {"after": aided.pk}):
        _refused(
            lambda change=change: Read.objects.filter(pk=unaided.pk).update(**change), "fixed when it was assigned"
        )
    _refused(lambda: Read.objects.filter(pk=aided.pk).update(state=State.OPENED), "opens only when")
    _refused(lambda: Read.objects.filter(pk=aided.pk).delete(), "is refused")
    _refused(lambda: ReadingOrder.objects.update(seed="mine"), "is refused")
    _refused(lambda: StudySeed.objects.update(seed="mine"), "is refused")
    Read.objects.filter(pk=unaided.pk).update(state=State.SUBMITTED, submitted_at=now())
    _refused(lambda: Read.objects.filter(pk=unaided.pk).update(state=State.OPENED), "is submitted")
    Read.objects.filter(pk=aided.pk).update(state=State.OPENED, opened_at=now())


def _refused(change: Any, words: str) -> None:
    with pytest.raises(IntegrityError, match=words), transaction.atomic():
        change()


@pytest.mark.django_db(transaction=True)
def test_workers_that_deal_at_the_same_time_deal_each_case_once() -> None:
    one = bench(INDEPENDENT | {"readers_per_case": 2})
    readers = [one.reader(f"reader-{n}") for n in range(4)]
    one.cases(20)
    made: list[int] = []

    def deal() -> None:
        try:
            made.append(assign_in(one.study))
        finally:
            connection.close()

    workers = [threading.Thread(target=deal) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(made) == 40
    assert [len(one.order(reader)) for reader in readers] == [10, 10, 10, 10]
