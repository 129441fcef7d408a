"""A protocol is written on its page, section by section."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from portal.audit.models import Entry
from studies.models import Study
from studies.protocols import protocol
from studies.protocols.protocol_sections import section_of
from studies.protocols.section_editor import seen_of
from tests.studies.protocols.protocol_pages import Posted, form_of, page, said, save
from tests.studies.protocols.written_protocols import READ, read_protocol


@pytest.mark.parametrize(
    "key",
    ["about", "arrival", "readers", "arms", "design", "blinding", "reference", "quality", "endpoints", "retention"],
)
def test_a_section_that_is_posted_as_it_was_drawn_changes_nothing(author: Client, draft: Study, key: str) -> None:
    before = said(draft)
    answer = save(author, draft, key)
    assert "Saved" in answer
    assert said(draft) == before


def test_what_is_typed_is_saved_and_shown_beside_the_study(author: Client, draft: Study) -> None:
    answer = save(author, draft, "about", title="Hips", question="Sooner?\r\nMore often?")
    assert '<span class="quiet">Saved</span>' in answer
    draft.refresh_from_db()
    assert (draft.title, draft.question) == ("Hips", "Sooner?\nMore often?")
    entry = Entry.objects.filter(action="draft of the protocol written").latest("number")
    assert (entry.study, entry.detail["fields"]) == ("hip", ["title", "question"])


def test_an_endpoint_says_which_answers_are_positive_one_a_line(author: Client, draft: Study) -> None:
    save(author, draft, "endpoints", **{"endpoints.0.positive": "fracture\r\n hardware \r\n"})
    assert said(draft)["endpoints"][0]["positive"] == ["fracture", "hardware"]


def test_the_checklist_comes_with_every_answer(author: Client, draft: Study) -> None:
    assert "The IRB number is missing" in save(author, draft, "about", irb_number="")
    assert "The IRB number is missing" not in save(author, draft, "about", irb_number="21-1")


@pytest.mark.parametrize(
    ("key", "fields", "at", "sentence"),
    [
        ("about", {"title": " "}, "title", "Fill this in."),
        ("about", {"title": "A" * 201}, "title", "Too long: at most 200 characters fit."),
        ("arrival", {"arrival.ae_title": "A B"}, "arrival-ae_title", "An AE title has 1 to 16 characters"),
        ("arrival", {"arrival.quiet_seconds": "soon"}, "arrival-quiet_seconds", "Give a whole number."),
        ("arrival", {"arrival.quiet_seconds": "0"}, "arrival-quiet_seconds", "Give a number greater than or"),
        ("arrival", {"criteria.1.when": "exam.Modalty == 'MR'"}, "criteria-1-when", "did you mean Modality?"),
        ("arrival", {"criteria.1.when": ""}, "criteria-1-when", "Fill this in."),
        ("arms", {"arms.0.findings.pipeline": ""}, "arms-0-findings-pipeline", "Choose one."),
        ("design", {"design.washout_days": "-1"}, "design-washout_days", "Give a number greater than or equal to 0."),
        ("design", {"design.kind": "telepathy"}, "", ""),
        ("endpoints", {"endpoints.0.alpha": "1"}, "endpoints-0-alpha", "Give a number less than 1."),
        ("endpoints", {"endpoints.0.margin": "much"}, "endpoints-0-margin", "Give a number."),
        ("reference", {"reference.answers": "Fracture?"}, "reference-answers", "Small letters, digits and hyphens"),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_told_at_its_field_and_nothing_is_kept(  # noqa: PLR0917
    author: Client, draft: Study, key: str, fields: Posted, at: str, sentence: str
) -> None:
    before = said(draft)
    if not at:
        posted = form_of(author, draft, key) | fields
        assert author.post(reverse("study-protocol-section", args=["hip", key]), posted).status_code == 404
    else:
        answer = save(author, draft, key, **fields)
        assert "Not saved" in answer
        [told] = re.findall(rf'id="f-{at}-errors"[^>]*>(.*?)</div>', answer)
        assert sentence in html.unescape(told)
    assert said(draft) == before


def test_what_concerns_a_whole_section_is_told_at_its_head(author: Client, draft: Study) -> None:
    answer = save(author, draft, "arms", do="remove:arms:0")
    assert "there is no arm" in html.unescape(answer).lower()
    assert said(draft)["arms"] == READ["arms"]


def test_a_criterion_is_added_filled_moved_and_removed(author: Client, draft: Study) -> None:
    answer = save(author, draft, "arrival", do="add:criteria")
    assert re.search(r'name="criteria\.2\.name"[^>]*autofocus', answer, re.S)
    assert len(said(draft)["criteria"]) == 2
    rows: Posted = {"criteria.rows": ["0", "1", "2"], "criteria.2.kind": "exclude"}
    save(author, draft, "arrival", **rows, **{"criteria.2.name": "Old", "criteria.2.when": 'exam.StudyDate < "2020"'})
    assert [one["name"] for one in said(draft)["criteria"]] == ["Radiographs", "Adults", "Old"]
    answer = save(author, draft, "arrival", do="up:criteria:2")
    assert re.search(r'id="up\.criteria\.1"[^>]*autofocus', answer, re.S)
    save(author, draft, "arrival", do="up:criteria:1")
    save(author, draft, "arrival", do="remove:criteria:1")
    assert [(one["name"], one["kind"]) for one in said(draft)["criteria"]] == [
        ("Old", "exclude"),
        ("Adults", "include"),
    ]


def test_a_new_arm_gets_its_key_from_its_name_and_keeps_it(author: Client, draft: Study) -> None:
    rows: Posted = {"arms.rows": ["0", "1"], "arms.1.findings.kind": "people", "arms.1.key": ""}
    answer = save(author, draft, "arms", **rows, **{"arms.1.label": "Éxpert reader"})
    assert [arm["key"] for arm in said(draft)["arms"]] == ["ai", "expert-reader"]
    assert 'id="design" ' in answer  # which names arms, and is drawn anew
    save(author, draft, "arms", **{"arms.1.label": "Somebody else"})
    assert said(draft)["arms"][1] == {
        "key": "expert-reader",
        "label": "Somebody else",
        "findings": {"kind": "people", "reader_role": "", "gives": "answers", "start": ""},
    }


def test_an_arms_pipeline_becomes_one_of_the_protocols(author: Client, draft: Study) -> None:
    save(author, draft, "arms", **{"arms.0.findings.pipeline": "liver-transplant"})
    assert said(draft)["pipelines"] == [{"name": "liver-transplant", "digest": ""}]


def test_a_pipeline_in_another_version_is_let_go_of_by_a_button(author: Client, draft: Study) -> None:
    version = draft.protocols.get()
    pinned = read_protocol(pipelines=[{"name": "hip-fracture", "digest": "ab" * 32}])
    protocol.save(version, pinned, by=None)
    assert "Take the installed one" in page(author, "study-protocol", "hip")
    save(author, draft, "arms", do="installed:hip-fracture")
    assert said(draft)["pipelines"] == [{"name": "hip-fracture", "digest": ""}]


def test_another_design_asks_other_things_and_guesses_what_it_can(author: Client, draft: Study) -> None:
    answer = save(author, draft, "design", do="redraw:design.kind", **{"design.kind": "independent"})
    assert 'name="design.readers_per_case"' in answer
    assert 'name="design.aid"' not in answer
    kept = said(draft)["design"]
    assert (kept["kind"], kept["form"], kept["arms"], kept["reader_role"]) == (
        "independent",
        "reading",
        ["ai"],
        "expert",
    )


def test_adjudication_is_added_and_taken_away(author: Client, draft: Study) -> None:
    answer = save(author, draft, "design", do="with:disagreement")
    assert "Choose one." in answer
    save(author, draft, "design", **{"disagreement.present": "yes", "disagreement.question": "fracture",
         "disagreement.tolerance": "0", "disagreement.form": "reading"})  # fmt: skip
    assert said(draft)["disagreement"]["question"] == "fracture"
    save(author, draft, "design", do="without:disagreement")
    assert said(draft)["disagreement"] is None


def test_a_shipped_form_is_added_and_a_form_that_is_named_is_not_removed(author: Client, draft: Study) -> None:
    save(author, draft, "forms", do="form:segmentation-quality")
    assert [form["name"] for form in said(draft)["forms"]] == ["reading", "segmentation-quality"]
    assert "There is no form" in save(author, draft, "forms", do="remove:forms:0")
    save(author, draft, "forms", do="up:forms:1")
    save(author, draft, "forms", do="remove:forms:0")
    assert [form["name"] for form in said(draft)["forms"]] == ["reading"]


@pytest.mark.parametrize("do", ["explode:criteria:0", "add:title", "remove:criteria:9", "up:criteria:0", "form:none"])
def test_a_button_that_there_is_not_changes_nothing(author: Client, draft: Study, do: str) -> None:
    before = said(draft)
    key = "forms" if do.startswith("form:") else "arrival"
    posted = form_of(author, draft, key) | {"do": do}
    assert author.post(reverse("study-protocol-section", args=["hip", key]), posted).status_code == 404
    assert said(draft) == before


def test_what_somebody_else_changed_meanwhile_is_not_written_over(author: Client, draft: Study) -> None:
    posted = form_of(author, draft, "about") | {"title": "Mine"}
    save(author, draft, "about", title="Theirs")
    answer = author.post(reverse("study-protocol-section", args=["hip", "about"]), posted)
    assert "Somebody changed this section meanwhile" in answer.content.decode()
    assert said(draft)["title"] == "Theirs"
    assert seen_of(section_of("about"), said(draft)) in answer.content.decode()
