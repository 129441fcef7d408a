"""The form builder: its steps, its drafts, and its pages as a browser posts to them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from feedback import form_builder, form_drafts, form_text, forms
from feedback.form_builder import KINDS, Document, NoSuchPlace, problems
from feedback.form_drafts import ChangedElsewhere, NoDraft
from feedback.form_schema import FormDefinition
from feedback.forms import MalformedForm
from feedback.models import Form, FormDraft
from portal.audit.actions import Action
from portal.audit.models import Entry
from tests.conftest import Cast
from tests.feedback.test_result_page import SignIn


@pytest.fixture
def hips() -> Document:
    return form_text.plain(forms.example("hfd"))


@pytest.fixture
def draft(cast: Cast) -> FormDraft:
    return form_drafts.begin("Hips", by=cast.coordinator, copy_of=forms.example("hfd"))


def labels(document: Document) -> list[str]:
    return [question["label"] for _, question in form_builder.questions_in(document)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_question_of_every_kind_makes_a_form_that_can_be_asked(kind: str) -> None:
    document = form_builder.blank("f", "F")
    assert form_builder.add_question(document, "s0", kind) == "s0.q0"
    assert form_builder.add_question(document, "s0", kind) == "s0.q1"
    assert problems(document) == {}
    FormDefinition.model_validate(document)


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_becomes_one_of_every_other_kind(kind: str) -> None:
    for other in KINDS:
        document = form_builder.blank("f", "F")
        form_builder.add_question(document, "s0", kind)
        form_builder.change_kind(document, "s0.q0", other)
        assert problems(document) == {}, (kind, other)


def test_an_empty_form_says_what_to_do() -> None:
    assert problems(form_builder.blank("f", "F")) == {"": ["The form asks nothing yet. Add a question."]}


def test_a_question_moves_within_its_section_and_on_into_the_next(hips: Document) -> None:
    assert form_builder.move(hips, "s1.q2", -1) == "s1.q1"
    assert form_builder.move(hips, "s1.q0", -1) == "s0.q1"
    assert labels(hips)[4:] == ["Quality of the image", "Comment", "What hinders reading it"]
    assert form_builder.move(hips, "s0.q0", -1) == "s0.q0", "there is nothing above"
    assert form_builder.move(hips, "s1", -1) == "s0"
    assert hips["sections"][0]["title"] == "Image"


def test_a_copy_has_keys_of_its_own_and_no_letters(hips: Document) -> None:
    assert form_builder.duplicate(hips, "s0.q0") == "s0.q1"
    assert problems(hips) == {}
    assert hips["sections"][0]["questions"][1]["key"] == "hips-2"
    assert form_builder.duplicate(hips, "s1") == "s2"
    assert problems(hips) == {}, "conditions in the copy look at the copies"


def test_a_key_follows_the_label_until_somebody_writes_one_and_conditions_follow_the_key() -> None:
    document = form_builder.blank("f", "F")
    form_builder.add_question(document, "s0", "single-choice")
    form_builder.add_question(document, "s0", "text")
    first, second = document["sections"][0]["questions"]
    second["when"] = {"question": first["key"], "test": "answered"}
    form_builder.write(document, "s0.q0", {**first, "label": "Is it there?"})
    assert (first["key"], second["when"]["question"]) == ("is-it-there", "is-it-there")
    form_builder.write(document, "s0.q0", {**first, "label": "Is it here?"})
    assert first["key"] == "is-it-there"
    form_builder.write(document, "s0.q0", {**first, "key": "present"})
    assert second["when"]["question"] == "present"


def test_what_is_removed_takes_its_translations_along(hips: Document) -> None:
    form_builder.remove(hips, "s0.q0")
    assert "state" not in hips["translations"]["de"]
    assert problems(hips) == {}


def test_faults_are_told_in_words_at_their_question(hips: Document) -> None:
    hips["sections"][0]["questions"][0]["questions"][1]["label"] = ""
    hips["sections"][1]["questions"][0]["minimum"] = 9
    assert problems(hips) == {
        "s0.q0.q1": ["label: is empty; write something."],
        "s1.q0": ["A scale has 2 to 11 values, the minimum first."],
    }
    hips = form_text.plain(forms.example("hfd"))
    hips["sections"][1]["questions"][1]["when"]["question"] = "gone"
    assert problems(hips) == {
        "s1.q1": ["The condition looks at gone, which no earlier question is. Choose an earlier one."]
    }


@pytest.mark.parametrize("place", ["", "s9", "s0.q9", "s0.q0.q9", "s1.q0.q0", "q0", "s0.q0.q0.q0", "sections"])
def test_a_place_that_is_not_there_is_refused(hips: Document, place: str) -> None:
    with pytest.raises(NoSuchPlace):
        form_builder.part_at(hips, place)


def test_a_step_is_kept_and_can_be_taken_back(draft: FormDraft, cast: Cast) -> None:
    kept, place = form_drafts.step(draft, form_builder.add_section, revision=1, by=cast.admin)
    assert (place, kept.revision, kept.updated_by) == ("s2", 2, cast.admin)
    with pytest.raises(ChangedElsewhere, match="changed meanwhile"):
        form_drafts.step(draft, form_builder.add_section, revision=1, by=cast.coordinator)
    back = form_drafts.undo(draft, revision=2, by=cast.coordinator)
    assert len(back.definition["sections"]) == 2
    assert form_drafts.undo(draft, revision=3, by=cast.coordinator).revision == 3, "there is no earlier step"


def test_a_draft_is_published_when_it_is_finished(draft: FormDraft, cast: Cast) -> None:
    form = form_drafts.publish(draft)
    assert forms.definition_of(form) == form_drafts.definition_of("hips")
    assert Entry.objects.get(action=Action.FORM_PUBLISHED).detail == {"version": 1}
    empty = form_drafts.begin("Hips", by=cast.coordinator)
    assert empty.slug == "hips-2"
    with pytest.raises(MalformedForm, match="asks nothing yet"):
        form_drafts.publish(empty)
    with pytest.raises(NoDraft):
        form_drafts.definition_of("other")


def test_drafts_are_seen_by_their_writer_and_the_studys_coordinators(cast: Cast) -> None:
    own = form_drafts.begin("Own", by=cast.admin)
    shared = form_drafts.begin("Shared", by=cast.admin, study="brain")
    assert set(form_drafts.visible_to(cast.admin)) == {own, shared}
    assert set(form_drafts.visible_to(cast.coordinator)) == {shared}
    assert not form_drafts.visible_to(cast.reader).exists()


def post(client: Client, name: str, **posted: Any) -> str:
    response = client.post(reverse(name, args=["hips"]), posted)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def test_a_form_is_begun_from_a_shipped_one(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.coordinator)
    answer = client.post("/forms/", {"title": "Our hips", "copy": "example:hfd", "study": "brain"})
    assert answer.headers["Location"] == "/forms/our-hips/"
    draft = FormDraft.objects.get()
    assert (draft.study, draft.definition["name"], draft.definition["title"]) == ("brain", "our-hips", "Our hips")
    assert client.post("/forms/", {"title": " "}).status_code == 422
    assert client.post("/forms/", {"title": "X", "copy": "example:nothing"}).status_code == 404
    page = client.get("/forms/our-hips/").content.decode()
    assert "Where is the fracture?" in page
    assert " style=" not in page


def test_a_condition_that_is_chosen_gets_a_test_and_a_value_that_fit(
    draft: FormDraft, cast: Cast, signed_in: SignIn
) -> None:
    client = signed_in(cast.coordinator)
    page = post(
        client, "form-step", do="redraw", at="s1.q2", revision=1, label="Comment", key="comment",
        **{"when-question": "quality"},
    )  # fmt: skip
    assert FormDraft.objects.get().definition["sections"][1]["questions"][2]["when"] == {
        "question": "quality",
        "test": "equals",
        "value": 1,
    }
    assert 'name="when-value"' in page


def test_the_preview_tells_what_would_be_stored(draft: FormDraft, cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.coordinator)
    hips: dict[str, Any] = {"answer-hips": ["right-hip", "left-hip"]}
    for hip in ("right-hip", "left-hip"):
        hips |= {f"answer-hips.{hip}.state": "normal", f"answer-hips.{hip}.sure": "80"}
    assert "would be stored" in post(client, "form-preview", **hips, **{"answer-quality": "4"})
    faulty = post(client, "form-preview", **hips)
    assert "do not fit" in faulty
    assert faulty.count("Not answered yet.") == 1
    assert "Rechte Hüfte" in post(client, "form-preview", **{"preview-language": "de"})
    assert not Form.objects.filter(slug="hips").exists()


def test_a_stale_page_is_told_and_shown_the_form_as_it_is(draft: FormDraft, cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.coordinator)
    form_drafts.step(draft, form_builder.add_section, revision=1, by=cast.admin)
    answer = client.post(reverse("form-step", args=["hips"]), {"do": "add-section", "revision": 1})
    assert answer.headers["HX-Retarget"] == "#builder"
    assert "The form was changed meanwhile" in answer.content.decode()
    assert len(FormDraft.objects.get().definition["sections"]) == 3


def test_a_text_that_cannot_be_stored_is_told(draft: FormDraft, cast: Cast, signed_in: SignIn) -> None:
    page = post(signed_in(cast.coordinator), "form-step", do="title", title="A\0B", revision=1)
    assert "a character that cannot be stored" in page
    assert FormDraft.objects.get().name == "Hips"


def test_translations_are_written_beside_the_words(draft: FormDraft, cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.coordinator)
    url = reverse("form-translations", args=["hips"])
    assert "Fraktur" in client.get(f"{url}?to=de").content.decode()
    assert "is no language" in client.get(f"{url}?to=klingon").content.decode()
    sent = {"to": "fr", "revision": 1, "form/label": "Fracture de hanche", "state/choices/normal": "Normale"}
    assert client.post(url, sent).status_code == 302
    french = form_drafts.definition_of("hips").translations["fr"]
    assert french["form"].label == "Fracture de hanche"
    assert dict(french["state"].choices) == {"normal": "Normale"}


def test_a_form_goes_out_as_yaml_and_comes_in_again(draft: FormDraft, cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.coordinator)
    url = reverse("form-text", args=["hips"])
    text = client.get(reverse("form-download", args=["hips"])).content.decode()
    assert form_text.load(text).name == "hips"
    faulty = client.post(url, {"text": text.replace("type: scale", "type: slider"), "revision": 1})
    assert faulty.status_code == 422
    assert "line " in faulty.content.decode()
    assert client.post(url, {"text": text.replace("Hips", "Both hips"), "revision": 1}).status_code == 302
    changed = FormDraft.objects.get()
    assert changed.name == "Both hips"
    assert form_drafts.undo(changed, revision=2, by=cast.coordinator).name == "Hips"


def test_publishing_from_the_page_says_what_is_missing(cast: Cast, signed_in: SignIn) -> None:
    form_drafts.begin("Hips", by=cast.coordinator)
    client = signed_in(cast.coordinator)
    page = client.post(reverse("form-publish", args=["hips"]), follow=True).content.decode()
    assert "The form is not published." in page
    assert not Form.objects.filter(slug="hips").exists()
