"""What holds of every form: it comes back as it was written, and both checks of answers agree."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from feedback import form_text
from feedback.answer_schema import answer_schema
from feedback.fields import fields_of, posted_answers
from feedback.form_schema import FormDefinition
from feedback.forms import InvalidAnswers, checked
from feedback.saying import describe
from tests.feedback.form_strategies import SUBJECT, answers_to, forms
from tests.feedback.posting import posted

FORM_SCHEMA = Draft202012Validator(FormDefinition.model_json_schema())
many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@given(form=forms())
@many
def test_a_form_is_read_as_it_was_written_and_written_as_it_was_read(form: FormDefinition) -> None:
    text = form_text.dump(form)
    assert form_text.load(text) == form
    assert form_text.dump(form_text.load(text)) == text


@given(form=forms())
@many
def test_every_form_fits_the_schema_of_forms(form: FormDefinition) -> None:
    FORM_SCHEMA.validate(json.loads(json.dumps(form_text.plain(form))))


@given(data=st.data(), form=forms())
@settings(many, max_examples=200)
def test_the_schema_takes_just_the_answers_that_are_stored_unchanged(data: st.DataObject, form: FormDefinition) -> None:
    answers = data.draw(answers_to(form))
    schema = answer_schema(form, subject=SUBJECT)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    try:
        kept = checked(form, answers, subject=SUBJECT)
    except InvalidAnswers:
        assert not validator.is_valid(answers)
        return
    assert validator.is_valid(kept)
    assert checked(form, kept, subject=SUBJECT) == kept
    assert validator.is_valid(answers) == (_in_order(answers) == _in_order(kept))


@given(data=st.data(), form=forms())
@many
def test_answers_are_said_and_drawn_and_read_back_from_the_page(data: st.DataObject, form: FormDefinition) -> None:
    answers = data.draw(answers_to(form))
    try:
        kept = checked(form, answers, subject=SUBJECT)
    except InvalidAnswers as fault:
        fields_of(form, answers, fault.messages, "de", subject=SUBJECT)
        return
    assert all(label and said for label, said in describe(form, kept, language="de"))
    sections = fields_of(form, kept, subject=SUBJECT)
    assert checked(form, posted_answers(form, posted(sections)), subject=SUBJECT) == kept


def _in_order(answer: object) -> object:
    """With choices and findings sorted: that they are stored in order is the one thing a schema cannot say."""
    if isinstance(answer, dict):
        return {key: _in_order(value) for key, value in answer.items()}
    if isinstance(answer, list):
        texts = [one for one in answer if isinstance(one, str)]
        inner = sorted(texts) if len(texts) == len(answer) else [_in_order(one) for one in answer]
        return sorted(inner, key=lambda one: str(one.get("finding")) if isinstance(one, dict) else "")
    return answer
