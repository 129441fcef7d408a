"""Reads: opened by their reader alone, saved, submitted once, amended for a reason while nothing follows."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import now

from feedback.forms import InvalidAnswers
from feedback.models import Response
from feedback.responses import NotAccepted
from portal.models import User
from studies.models import Membership, Read, ReadResponse, Study
from studies.reading import assignment, reads
from studies.reading.reads import AlreadySubmitted, ClaimedElsewhere, ReadRefused, amend, open_read, save_draft, submit
from tests.feedback.conftest import ANSWERS
from tests.studies.reading.reading import CROSSOVER, INDEPENDENT, ONE_SITTING, Bench, bench

pytestmark = pytest.mark.django_db
State = Read.State


@pytest.fixture
def sitting() -> tuple[Bench, User]:
    """A study of unaided and then aided reads with one reader and two cases, dealt out."""
    one = bench(ONE_SITTING)
    reader = one.reader("first")
    one.cases(2)
    assignment.assign()
    return one, reader


def first(reader: User, condition: str = "unaided") -> Read:
    return Read.objects.filter(reader=reader, condition=condition).order_by("position")[:1].get()


def answer(read: Read, reader: User, answers: Any = ANSWERS) -> Response:
    claim = open_read(read.pk, by=reader).claim
    return submit(read.pk, by=reader, claim=claim, answers=answers, active=3.0)


def test_what_is_submitted_is_kept_with_its_read_version_and_times(sitting: tuple[Bench, User]) -> None:
    one, reader = sitting
    read = first(reader)
    claim = open_read(read.pk, by=reader).claim
    Read.objects.filter(pk=read.pk).update(counted_at=now() - timedelta(seconds=50))
    response = submit(read.pk, by=reader, claim=claim, answers=ANSWERS, active=41.5)
    read.refresh_from_db()
    assert (read.state, read.draft, read.claim) == (State.SUBMITTED, {}, "")
    kept = ReadResponse.objects.get()
    assert (kept.read, kept.response, kept.protocol) == (read, response, one.study.protocols.get())
    assert (response.answers, response.author, response.result) == (ANSWERS, reader, None)
    assert response.active_seconds == 41.5
    assert response.seconds is not None


def test_active_time_is_no_longer_than_time_itself(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    read = first(reader)
    claim = open_read(read.pk, by=reader).claim
    saved = save_draft(read.pk, by=reader, claim=claim, answers={}, active=7200.0)
    assert saved.active_seconds < 5
    Read.objects.filter(pk=read.pk).update(active_seconds=30.0)
    assert save_draft(read.pk, by=reader, claim=claim, answers={}, active=10.0).active_seconds == 30.0


def test_a_draft_is_there_on_another_workstation_and_the_first_window_saves_no_more(
    sitting: tuple[Bench, User],
) -> None:
    _, reader = sitting
    read = first(reader)
    here = open_read(read.pk, by=reader).claim
    save_draft(read.pk, by=reader, claim=here, answers={"quality": 4}, active=0.0)
    there = open_read(read.pk, by=reader)
    assert there.draft == {"quality": 4}
    with pytest.raises(ClaimedElsewhere):
        save_draft(read.pk, by=reader, claim=here, answers={"quality": 1}, active=0.0)
    with pytest.raises(ClaimedElsewhere):
        submit(read.pk, by=reader, claim=here, answers=ANSWERS, active=0.0)
    submit(read.pk, by=reader, claim=there.claim, answers=ANSWERS, active=0.0)
    with pytest.raises(AlreadySubmitted) as refused:
        submit(read.pk, by=reader, claim=here, answers={"quality": 1, "verdict": "reject"}, active=0.0)
    assert refused.value.response.answers == ANSWERS
    assert Response.objects.count() == 1


def test_a_window_that_is_still_opening_the_read_is_not_told_of_another(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    read = first(reader)
    open_read(read.pk, by=reader)
    with pytest.raises(ReadRefused, match="still being opened here"):
        save_draft(read.pk, by=reader, claim="", answers={}, active=0.0)


def test_answers_that_do_not_fit_leave_the_read_open(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    with pytest.raises(InvalidAnswers):
        answer(first(reader), reader, {"quality": 9})
    assert first(reader).state == State.OPENED
    assert not Response.objects.exists()


def test_a_draft_that_cannot_be_stored_is_refused_in_words(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    read = first(reader)
    claim = open_read(read.pk, by=reader).claim
    with pytest.raises(ReadRefused, match="cannot be stored"):
        save_draft(read.pk, by=reader, claim=claim, answers={"comment": "\0"}, active=0.0)


def test_the_aided_read_opens_once_the_unaided_answer_is_locked(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    unaided, aided = first(reader), first(reader, "aided")
    with pytest.raises(ReadRefused, match="once you have submitted"):
        open_read(aided.pk, by=reader)
    before = answer(unaided, reader)
    assert amend(unaided.pk, by=reader, answers=ANSWERS | {"quality": 2}, reason="Slipped").amends == before
    open_read(aided.pk, by=reader)
    with pytest.raises(ReadRefused, match="locked"):
        amend(unaided.pk, by=reader, answers=ANSWERS, reason="Saw the model's")


def test_postgresql_itself_locks_the_unaided_answer(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    unaided = first(reader)
    before = answer(unaided, reader)
    open_read(first(reader, "aided").pk, by=reader)
    version = unaided.protocol
    with pytest.raises(IntegrityError, match="locked"), transaction.atomic():
        later = Response.objects.create(
            form=before.form, author=reader, answers={}, sitting=before.sitting, amends=before, reason="Saw it"
        )
        ReadResponse.objects.create(read=unaided, response=later, protocol=version)
    with pytest.raises(IntegrityError, match="is refused"), transaction.atomic():
        ReadResponse.objects.all().delete()
    with pytest.raises(IntegrityError, match="its reader only"), transaction.atomic():
        strange = Response.objects.create(form=before.form, author=User.objects.create_user("else"), answers={})
        ReadResponse.objects.create(read=unaided, response=strange, protocol=version)


def test_the_other_condition_opens_after_the_washout() -> None:
    one = bench(CROSSOVER)
    reader = one.reader("first")
    one.case()
    assignment.assign()
    begun, other = Read.objects.filter(reader=reader).order_by("position")
    answer(begun, reader)
    other.refresh_from_db()
    assert other.not_before is not None
    assert timedelta(days=27) < other.not_before - now() <= timedelta(days=28)
    with pytest.raises(ReadRefused, match="opens on"):
        open_read(other.pk, by=reader)
    Read.objects.filter(pk=other.pk).update(not_before=now())
    answer(other, reader)


def test_an_amendment_needs_a_reason_and_keeps_what_was_said(sitting: tuple[Bench, User]) -> None:
    _, reader = sitting
    read = first(reader)
    answer(read, reader)
    with pytest.raises(NotAccepted, match="reason"):
        amend(read.pk, by=reader, answers=ANSWERS | {"quality": 1}, reason=" ")
    amend(read.pk, by=reader, answers=ANSWERS | {"quality": 1}, reason="Other eye")
    latest = reads.latest_response(read)
    assert latest is not None and latest.answers["quality"] == 1
    assert [kept.response.answers["quality"] for kept in read.responses.all()] == [1, 4]


@pytest.mark.parametrize("stage", [Study.Stage.LOCKED, Study.Stage.CLOSED])
def test_a_study_that_is_locked_takes_no_answers(sitting: tuple[Bench, User], stage: Study.Stage) -> None:
    one, reader = sitting
    read = first(reader)
    answer(read, reader)
    other = Read.objects.due()[:1].get()
    claim = open_read(other.pk, by=reader).claim
    Study.objects.filter(pk=one.study.pk).update(stage=stage)
    for refused in (
        lambda: open_read(other.pk, by=reader),
        lambda: save_draft(other.pk, by=reader, claim=claim, answers={}, active=0.0),
        lambda: submit(other.pk, by=reader, claim=claim, answers=ANSWERS, active=0.0),
        lambda: amend(read.pk, by=reader, answers=ANSWERS, reason="Late"),
    ):
        with pytest.raises(ReadRefused, match="takes no answers"):
            refused()


def test_nobody_else_opens_a_read_nor_who_left(sitting: tuple[Bench, User], cast: Any) -> None:
    one, reader = sitting
    read = first(reader)
    for user in (one.reader("second"), cast.admin, cast.coordinator):
        with pytest.raises(Read.DoesNotExist):
            open_read(read.pk, by=user)
    Membership.objects.filter(user=reader).update(withdrawn_at=now())
    with pytest.raises(Read.DoesNotExist):
        open_read(read.pk, by=reader)


@pytest.mark.django_db(transaction=True)
def test_two_windows_that_submit_at_once_submit_once() -> None:
    one = bench(INDEPENDENT)
    reader = one.reader("first")
    one.case()
    assignment.assign()
    read = first(reader, "alone")
    claim = open_read(read.pk, by=reader).claim
    outcomes: list[str] = []

    def send() -> None:
        try:
            submit(read.pk, by=reader, claim=claim, answers=ANSWERS, active=1.0)
            outcomes.append("saved")
        except AlreadySubmitted:
            outcomes.append("refused")
        finally:
            connection.close()

    windows = [threading.Thread(target=send) for _ in range(2)]
    for window in windows:
        window.start()
    for window in windows:
        window.join()
    assert sorted(outcomes) == ["refused", "saved"]
    assert Response.objects.count() == 1
