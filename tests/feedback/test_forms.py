"""Forms: their questions, the answers that fit, and which form a reader answers."""

from typing import Any

import pytest

from dicom_ingest.models import AETitle, Exam, Route
from feedback.form_schema import FormDefinition
from feedback.forms import (
    InvalidAnswers,
    MalformedForm,
    check_answers,
    definition_of,
    describe,
    form_for,
    quality_form,
)
from feedback.models import Form
from feedback.questions import MultipleChoice, Scale, SingleChoice, Text
from inference.models import Result
from portal.access import Role
from studies.models import Membership, Study
from tests.conftest import Cast
from tests.feedback.conftest import ANSWERS, MakeResult
from tests.protocols import case_of, open_study

YES_NO = [{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}]


def messages_for(form: Form, **changed: object) -> dict[str, str]:
    answers = ANSWERS | {key.replace("_", "-"): value for key, value in changed.items()}
    with pytest.raises(InvalidAnswers) as refused:
        check_answers(form, answers)
    return refused.value.messages


def test_the_quality_form_asks_quality_verdict_failure_modes_and_comment(form: Form) -> None:
    questions = definition_of(form).questions
    assert [(type(q), q.key, q.required) for q in questions] == [
        (Scale, "quality", True),
        (SingleChoice, "verdict", True),
        (MultipleChoice, "failure-modes", False),
        (Text, "comment", False),
    ]


def test_the_quality_form_is_made_once(form: Form) -> None:
    assert quality_form() == form
    assert Form.objects.count() == 1


def test_good_answers_are_kept_as_they_are(form: Form) -> None:
    assert check_answers(form, ANSWERS) == ANSWERS


def test_optional_questions_may_stay_unanswered(form: Form) -> None:
    answers = {"quality": 5, "verdict": "accept", "failure-modes": [], "comment": "  "}
    assert check_answers(form, answers) == {"quality": 5, "verdict": "accept"}


def test_every_missing_answer_gets_its_own_message(form: Form) -> None:
    with pytest.raises(InvalidAnswers) as refused:
        check_answers(form, {})
    assert refused.value.messages == {"quality": "Not answered yet.", "verdict": "Not answered yet."}


@pytest.mark.parametrize("quality", [0, 6, 3.5, "4", True, [4], {"4": 4}])
def test_a_scale_takes_only_its_whole_numbers(form: Form, quality: object) -> None:
    assert messages_for(form, quality=quality) == {"quality": "Choose a whole number from 1 to 5."}


@pytest.mark.parametrize("verdict", ["Accept", "maybe", 1, ["accept"]])
def test_a_single_choice_takes_only_one_of_its_values(form: Form, verdict: object) -> None:
    assert messages_for(form, verdict=verdict) == {"verdict": "Choose among accept, accept-with-edits, reject."}


@pytest.mark.parametrize("modes", ["other", ["other", "nonsense"], [["other"]], {"other": True}])
def test_a_multiple_choice_takes_only_a_list_of_its_values(form: Form, modes: object) -> None:
    assert list(messages_for(form, failure_modes=modes)) == ["failure-modes"]


def test_a_multiple_choice_is_kept_once_each_in_the_forms_order(form: Form) -> None:
    checked = check_answers(form, ANSWERS | {"failure-modes": ["other", "over-segmentation", "other"]})
    assert checked["failure-modes"] == ["over-segmentation", "other"]


def test_text_that_is_too_long_says_by_how_much(form: Form) -> None:
    assert messages_for(form, comment="x" * 2001) == {
        "comment": "2001 characters are too many: 2000 fit. Shorten the text."
    }


@pytest.mark.parametrize("comment", ["a\0b", "a\ud800b"])
def test_text_that_the_database_cannot_store_is_refused(form: Form, comment: str) -> None:
    assert "cannot be stored" in messages_for(form, comment=comment)["comment"]


def test_an_unknown_question_is_refused_with_those_that_exist(form: Form) -> None:
    assert messages_for(form, qualtiy=4) == {
        "qualtiy": "This form has no such question. It asks quality, verdict, failure-modes, comment."
    }


def test_answers_are_said_in_the_forms_words(form: Form) -> None:
    assert describe(form, check_answers(form, ANSWERS)) == [
        ("Overall quality", "4 Good"),
        ("Verdict", "Accept with edits"),
        ("Failure modes", "Over-segmentation, Other"),
        ("Comment", "Dura included at the vertex"),
    ]


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        ({"type": "slider", "key": "a", "label": "A"}, "slider"),
        ({"type": "scale", "key": "a", "label": "A", "minimum": 5, "maximum": 1}, "the minimum first"),
        ({"type": "scale", "key": "a", "label": "A", "labels": ["bad", "good"]}, "5 values need 5 labels"),
        ({"type": "single-choice", "key": "a", "label": "A", "choices": YES_NO[:1]}, "at least 2"),
        ({"type": "single-choice", "key": "a", "label": "A", "choices": YES_NO[:1] * 2}, "same value"),
        ({"type": "text", "key": "Not a key", "label": "A"}, "pattern"),
        ({"type": "text", "key": "a", "label": "A", "placeholder": "?"}, "placeholder"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(question: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MalformedForm, match=complaint):
        _asked([question])


def test_a_form_does_not_use_a_key_or_a_letter_twice() -> None:
    text = {"type": "text", "key": "a", "label": "A"}
    with pytest.raises(MalformedForm, match="The key a is used twice"):
        _asked([text, text])
    choice = {"type": "single-choice", "label": "?", "choices": [{**YES_NO[0], "shortcut": "y"}, YES_NO[1]]}
    with pytest.raises(MalformedForm, match="The shortcut y is used twice"):
        _asked([{**choice, "key": "a"}, {**choice, "key": "b"}])


def another_study(*, form: Form, exam: Exam, title: str) -> Study:
    ae_title = AETitle.objects.create(title=title.upper())
    study = open_study(title.lower(), title=title, ae_title=ae_title, form=form)
    case_of(study, exam, number=1)
    return study


def test_a_reader_answers_the_form_of_their_own_study(cast: Cast, exam: Exam, result: Result) -> None:
    own_form = Form.objects.create(slug="other", title="Other", questions=[])
    study = another_study(form=own_form, exam=exam, title="Alpha")
    assert form_for(result, cast.reader).slug == "segmentation-quality"
    Membership.objects.create(study=study, user=cast.other_reader, role=Role.GOVERNANCE)
    assert form_for(result, cast.other_reader).slug == "segmentation-quality"
    Membership.objects.create(study=study, user=cast.other_reader, role=Role.READER)
    assert form_for(result, cast.other_reader) == own_form


def test_of_two_studies_of_one_exam_the_one_that_a_result_was_made_for_asks(
    cast: Cast, exam: Exam, make_result: MakeResult
) -> None:
    """As a job of four organs and one of the liver are of one CT, each asked for at an AE title of its own."""
    own_form = Form.objects.create(slug="other", title="Other", questions=[])
    study = another_study(form=own_form, exam=exam, title="Zeta")
    Membership.objects.create(study=study, user=cast.reader, role=Role.READER)
    elsewhere = Route.objects.create(exam=exam, called_ae=study.ae_title.title)
    for who in (cast.reader, cast.admin):
        assert form_for(make_result(exam, route=exam.routes.get(called_ae="BRAIN")), who).slug == "segmentation-quality"
        assert form_for(make_result(exam, route=elsewhere), who) == own_form


def test_an_exam_of_no_study_gets_the_quality_form(cast: Cast, make_result: MakeResult) -> None:
    exam = Exam.objects.create(study_instance_uid="1.2.3")
    assert form_for(make_result(exam), cast.admin) == quality_form()


def _asked(questions: list[dict[str, Any]]) -> FormDefinition:
    return definition_of(Form(slug="form", title="Form", questions=questions))
