"""Responses that are given in a read: without a result of ours, or again on the same one."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from dicom_ingest.models import Exam, Instance, Series
from feedback import forms
from feedback.forms import InvalidAnswers
from feedback.history import statements
from feedback.models import Form, Response
from feedback.responses import (
    AlreadyAnswered,
    NotAccepted,
    ReasonMissing,
    history_of,
    latest_for,
    submit,
    waiting_results,
)
from inference.models import Result
from portal.models import User
from tests.conftest import Cast
from tests.feedback.conftest import ANSWERS, Answer


def give(
    form: Form, author: User, *, sitting: str = "read-1", amends: Response | None = None, reason: str = ""
) -> Response:
    return submit(form=form, author=author, answers=ANSWERS, seconds=3.0, sitting=sitting, amends=amends, reason=reason)


def test_a_read_without_a_result_is_answered_once_in_each_sitting(cast: Cast, form: Form) -> None:
    first, second = give(form, cast.reader), give(form, cast.reader, sitting="read-2")
    assert (first.result, first.sitting) == (None, "read-1")
    with pytest.raises(AlreadyAnswered):
        give(form, cast.reader)
    amended = give(form, cast.reader, amends=first, reason="Looked again")
    assert latest_for(None, cast.reader, sitting="read-1") == amended
    assert latest_for(None, cast.reader, sitting="read-2") == second
    with pytest.raises(AlreadyAnswered):
        give(form, cast.reader, amends=first, reason="Again")
    with pytest.raises(NotAccepted):
        give(form, cast.other_reader, amends=second, reason="Not mine")


def test_the_same_result_is_read_again_in_another_sitting(
    cast: Cast, form: Form, result: Result, answer: Answer
) -> None:
    on_page = answer(result, cast.reader)
    for sitting in ("aided", "again"):
        submit(form=form, author=cast.reader, result=result, answers=ANSWERS, seconds=1.0, sitting=sitting)
    assert Response.objects.filter(result=result, amends=None).count() == 3
    assert latest_for(result, cast.reader) == on_page


def test_the_database_keeps_a_sitting_to_one_first_response(cast: Cast, form: Form) -> None:
    give(form, cast.reader)
    with pytest.raises(IntegrityError), transaction.atomic():
        Response.objects.create(form=form, author=cast.reader, answers={}, sitting="read-1")


def test_a_response_without_a_result_hides_no_case_that_waits(cast: Cast, form: Form, result: Result) -> None:
    give(form, cast.reader)
    assert list(waiting_results(cast.reader)) == [result]


def test_an_amendment_tells_why_and_what_changed(cast: Cast, result: Result, answer: Answer) -> None:
    first = answer(result, cast.reader)
    with pytest.raises(ReasonMissing, match="needs a reason"):
        submit(form=first.form, author=cast.reader, result=result, answers=ANSWERS, seconds=1.0, amends=first)
    second = answer(result, cast.reader, amends=first, quality=2, comment="")
    newest, oldest = statements(history_of(second))
    assert [(change.label, change.before, change.after) for change in newest.changes] == [
        ("Overall quality", "4 Good", "2 Poor"),
        ("Comment", "Dura included at the vertex", ""),
    ]
    assert newest.response.reason == "Looked again"
    assert (oldest.response, oldest.changes) == (first, ())


def test_a_drawing_must_lie_in_an_image_of_the_exam(cast: Cast, exam: Exam) -> None:
    form = forms.register("hips", forms.example("hfd"))
    series = Series.objects.create(exam=exam, series_instance_uid="1.2.3", modality="DX")
    Instance.objects.create(series=series, sop_instance_uid="1.2.3.1", sop_class_uid="1.2", size=1)

    def draw(uid: str) -> Response:
        place = {"type": "point", "SOPInstanceUID": uid, "points": [[1, 2]]}
        hips = {
            "right-hip": {"state": "fracture", "sure": 90, "place": place},
            "left-hip": {"state": "normal", "sure": 90},
        }
        answers = {"hips": hips, "quality": 4}
        return submit(form=form, author=cast.reader, answers=answers, seconds=1.0, exam=exam, sitting=uid)

    assert draw("1.2.3.1").answers["hips"]["right-hip"]["place"]["SOPInstanceUID"] == "1.2.3.1"
    with pytest.raises(InvalidAnswers, match=r"no image 9\.9\.9"):
        draw("9.9.9")
