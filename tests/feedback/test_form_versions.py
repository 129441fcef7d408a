"""Forms as text and as versions: what is shipped, registered, frozen, and never changed again."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from feedback import form_text, forms
from feedback.form_schema import FormDefinition
from feedback.models import Form, Response
from inference.errors import DefinitionInvalid
from inference.models import Result
from tests.conftest import Cast
from tests.feedback.conftest import ANSWERS, Answer

EXAMPLES = sorted(forms.EXAMPLES.glob("*.yaml"))


def renamed(definition: FormDefinition, title: str) -> FormDefinition:
    return definition.model_copy(update={"title": title})


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.stem))
def test_every_shipped_form_is_canonical_and_named_for_its_file(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert form_text.dump(form_text.load(text, file=file)) == text
    assert forms.example(file.stem).name == file.stem


def test_the_forms_of_the_three_studies_are_shipped() -> None:
    assert forms.examples() == ("bts", "hfd", "lts", "segmentation-quality")
    with pytest.raises(forms.UnknownForm, match="There are bts, hfd, lts"):
        forms.example("../models")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("name: [", "line 1: syntax"),
        ("name: a\ntitle: A\nsections: &x []\ntranslations: *x\n", "line 3: form: holds an anchor"),
        ("name: a\nname: b\n", "line 2: name: is given twice"),
        ("name: a\ntitle: A\nsections:\n- questions:\n  - {key: q, type: slider, label: Q}\n", "slider"),
        ("name: a\ntitle: A\nsections:\n- questions:\n  - {key: q, type: text, lable: Q}\n", "line 5: .*lable"),
        ("[" * 40 + "]" * 40, "nested too deeply"),
        ("x" * 200_001, "too many"),
    ],
)
def test_text_that_is_no_form_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid, match=complaint):
        form_text.load(text)


@pytest.mark.django_db
def test_the_same_form_is_registered_once_and_another_is_the_next_version() -> None:
    definition = forms.example("hfd")
    first = forms.register("hips", definition)
    assert (first.slug, first.version, first.title) == ("hips", 1, "Hip fracture")
    assert forms.register("hips", definition) == first
    second = forms.register("hips", renamed(definition, "Hips"))
    assert second.version == 2
    assert forms.register("hips", definition).version == 3, "going back is a version of its own"
    assert [forms.definition_of(form).title for form in (first, second)] == ["Hip fracture", "Hips"]
    assert forms.definition_of(first) == definition.model_copy(update={"name": "hips"})


@pytest.mark.django_db
def test_a_form_of_one_section_is_stored_as_its_questions_alone_and_old_rows_read_so() -> None:
    form = forms.quality_form()
    assert isinstance(form.questions, list)
    whole = [question.model_dump(mode="json") for question in forms.definition_of(form).questions]
    old = Form.objects.create(slug="old", title=form.title, questions=whole)
    assert forms.definition_of(old).questions == forms.definition_of(form).questions
    assert isinstance(forms.register("bts", forms.example("bts")).questions, dict)


def refused(words: str) -> pytest.RaisesExc[IntegrityError]:
    return pytest.raises(IntegrityError, match=words)


@pytest.mark.django_db
def test_a_frozen_form_never_changes_by_the_orm_or_by_sql() -> None:
    form = forms.freeze(forms.register("hips", forms.example("hfd")))
    assert form.frozen_at is not None
    assert forms.freeze(form).frozen_at == form.frozen_at
    form.title = "Other"
    with refused("frozen by a protocol"), transaction.atomic():
        form.save()
    with refused("frozen by a protocol"), transaction.atomic():
        Form.objects.update(frozen_at=None)
    with refused("frozen by a protocol"), transaction.atomic():
        Form.objects.all().delete()
    with refused("frozen by a protocol"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE feedback_form SET questions = '[]'")
    assert Form.objects.get().title == "Hip fracture"


@pytest.mark.django_db
def test_a_used_form_can_be_frozen_and_nothing_else(cast: Cast, result: Result, answer: Answer, form: Form) -> None:
    answer(result, cast.reader)
    frozen = forms.freeze(form)
    assert frozen.frozen_at is not None
    with refused("is refused"), transaction.atomic():
        Form.objects.filter(pk=form.pk).update(version=7)


def test_the_administration_shows_forms_and_responses_and_changes_none(
    cast: Cast, result: Result, answer: Answer, form: Form, client: Client
) -> None:
    kept = answer(result, cast.reader)
    client.force_login(cast.admin)
    for name, key in (("form", form.pk), ("response", kept.pk)):
        assert client.get(f"/admin/feedback/{name}/{key}/change/").status_code == 200
        assert client.post(f"/admin/feedback/{name}/{key}/change/", {"title": "Other"}).status_code == 403
        assert client.post(f"/admin/feedback/{name}/{key}/delete/", {"post": "yes"}).status_code == 403
    assert Form.objects.get(pk=form.pk).title == form.title


@pytest.mark.django_db
def test_the_database_refuses_an_amendment_without_a_reason(
    cast: Cast, result: Result, answer: Answer, form: Form
) -> None:
    first = answer(result, cast.reader)
    with refused("needs a reason"), transaction.atomic():
        Response.objects.create(form=form, result=result, author=cast.reader, answers=ANSWERS, amends=first, reason=" ")
