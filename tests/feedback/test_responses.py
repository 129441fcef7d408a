"""Responses: who may give them, that they only ever add up, and who sees them."""

import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from dicom_ingest.models import Exam
from feedback.forms import InvalidAnswers
from feedback.models import Form, Response
from feedback.responses import (
    AlreadyAnswered,
    NotAccepted,
    Superseded,
    current_version_of,
    latest_for,
    submit,
    visible_responses,
    waiting_results,
)
from inference.models import Job, Result
from studies.models import Membership
from tests.conftest import Cast
from tests.feedback.conftest import ANSWERS, Answer, MakeExam, MakeResult


def test_a_response_keeps_who_when_how_long_and_what(cast: Cast, result: Result, answer: Answer) -> None:
    answer(result, cast.reader)
    kept = Response.objects.get()
    assert (kept.author, kept.result, kept.seconds, kept.answers) == (cast.reader, result, 12.5, ANSWERS)
    assert (kept.form.slug, kept.form.version) == ("segmentation-quality", 1)
    assert kept.submitted_at is not None
    assert kept.amends is None


@pytest.mark.parametrize("role", ["coordinator", "qc", "governance", "scientist", "outsider"])
def test_only_readers_of_the_exams_study_give_feedback(cast: Cast, result: Result, answer: Answer, role: str) -> None:
    with pytest.raises(PermissionDenied):
        answer(result, getattr(cast, role))
    assert not Response.objects.exists()


def test_answers_that_do_not_fit_are_not_kept(cast: Cast, result: Result, answer: Answer) -> None:
    with pytest.raises(InvalidAnswers):
        answer(result, cast.reader, quality=9)
    assert not Response.objects.exists()


def test_a_superseded_result_takes_no_feedback(cast: Cast, superseded: Result, answer: Answer) -> None:
    with pytest.raises(Superseded, match="newer run has replaced this result"):
        answer(superseded, cast.reader)
    assert not Response.objects.exists()


def test_a_second_first_response_is_refused_and_names_the_one_that_counts(
    cast: Cast, result: Result, answer: Answer
) -> None:
    first = answer(result, cast.reader)
    with pytest.raises(AlreadyAnswered) as refused:
        answer(result, cast.reader, quality=1)
    assert refused.value.latest == first
    assert str(first.pk) in str(refused.value)


def test_the_latest_amendment_counts_and_the_rest_is_kept(cast: Cast, result: Result, answer: Answer) -> None:
    first = answer(result, cast.reader)
    second = answer(result, cast.reader, amends=first, quality=3)
    third = answer(result, cast.reader, amends=second, quality=2)
    assert latest_for(result, cast.reader) == third
    assert Response.objects.count() == 3


def test_an_amendment_names_the_latest_so_that_none_forks(cast: Cast, result: Result, answer: Answer) -> None:
    first = answer(result, cast.reader)
    second = answer(result, cast.reader, amends=first, quality=3)
    with pytest.raises(AlreadyAnswered) as refused:
        answer(result, cast.reader, amends=first, quality=1)
    assert refused.value.latest == second


def test_nobody_amends_what_somebody_else_said(cast: Cast, result: Result, answer: Answer) -> None:
    first = answer(result, cast.reader)
    with pytest.raises(NotAccepted, match="no response of yours"):
        answer(result, cast.other_reader, amends=first)


def test_a_new_version_of_the_form_does_not_make_room_for_a_second_first_response(
    cast: Cast, result: Result, answer: Answer, form: Form
) -> None:
    first = answer(result, cast.reader)
    newer = Form.objects.create(slug=form.slug, version=2, title=form.title, questions=form.questions)
    with pytest.raises(AlreadyAnswered):
        submit(result=result, author=cast.reader, form=newer, answers=ANSWERS, seconds=1)
    amended = submit(
        result=result, author=cast.reader, form=newer, answers=ANSWERS, seconds=1, amends=first, reason="Newer form"
    )
    assert latest_for(result, cast.reader) == amended


@pytest.mark.django_db(transaction=True)
def test_of_two_first_responses_at_the_same_moment_one_is_kept(cast: Cast, result: Result, answer: Answer) -> None:
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def give() -> None:
        together.wait()
        try:
            answer(result, cast.reader)
            outcomes.append("kept")
        except AlreadyAnswered:
            outcomes.append("refused")
        finally:
            connection.close()

    both = [threading.Thread(target=give) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(outcomes) == ["kept", "refused"]
    assert Response.objects.count() == 1


def test_the_database_refuses_to_change_a_response(cast: Cast, result: Result, answer: Answer) -> None:
    kept = answer(result, cast.reader)
    kept.seconds = 1.0
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        kept.save()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Response.objects.update(answers={})
    assert Response.objects.get().answers == ANSWERS


def test_the_database_refuses_to_delete_a_response(cast: Cast, result: Result, answer: Answer) -> None:
    kept = answer(result, cast.reader)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        kept.delete()
    assert Response.objects.count() == 1


def test_the_database_refuses_an_amendment_of_somebody_elses_response(
    cast: Cast, result: Result, answer: Answer, form: Form
) -> None:
    first = answer(result, cast.reader)
    with pytest.raises(IntegrityError, match="same author"), transaction.atomic():
        Response.objects.create(form=form, result=result, author=cast.other_reader, answers={}, seconds=1, amends=first)


def test_the_database_refuses_to_change_a_form_that_was_answered(
    cast: Cast, result: Result, answer: Answer, form: Form
) -> None:
    form.title = "Before anybody answered"
    form.save()
    answer(result, cast.reader)
    form.questions = []
    with pytest.raises(IntegrityError, match="in use"), transaction.atomic():
        form.save()
    form.refresh_from_db()
    assert form.title == "Before anybody answered"
    assert form.questions


def test_readers_see_their_own_and_overseers_see_all(cast: Cast, result: Result, answer: Answer) -> None:
    own, others = answer(result, cast.reader), answer(result, cast.other_reader)
    seen = {name: set(visible_responses(user)) for name, user in vars(cast).items()}
    assert seen == {
        "admin": {own, others},
        "coordinator": {own, others},
        "governance": {own, others},
        "reader": {own},
        "other_reader": {others},
        "qc": set(),
        "scientist": set(),
        "outsider": set(),
    }


def test_a_reader_who_left_the_study_sees_nothing_of_it(cast: Cast, result: Result, answer: Answer) -> None:
    answer(result, cast.reader)
    Membership.objects.filter(user=cast.reader).delete()
    assert not visible_responses(cast.reader).exists()


def test_what_waits_for_a_reader_is_current_unanswered_and_oldest_first(
    cast: Cast, result: Result, make_exam: MakeExam, make_result: MakeResult, answer: Answer
) -> None:
    second = make_result(make_exam(None))
    make_result(make_exam(None, enrolled_in=None))
    make_result(make_exam(None), state=Job.State.SUPERSEDED)
    assert list(waiting_results(cast.reader)) == [result, second]
    answer(result, cast.reader)
    assert list(waiting_results(cast.reader)) == [second]
    assert list(waiting_results(cast.other_reader)) == [result, second]
    assert not waiting_results(cast.coordinator).exists()


def test_the_current_version_of_a_superseded_result_is_the_newer_one(superseded: Result, exam: Exam) -> None:
    newer = Result.objects.exclude(pk=superseded.pk).get(exam=exam)
    assert current_version_of(superseded) == newer
    assert current_version_of(newer) == newer
    Job.objects.update(state=Job.State.SUPERSEDED)
    assert current_version_of(superseded) is None
