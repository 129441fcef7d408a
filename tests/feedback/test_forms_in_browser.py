"""Forms of every kind in a real browser: conditions, groups, keys, languages, and what fits the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Exam, Instance, Series
from feedback import forms
from feedback.form_schema import FormDefinition
from feedback.models import Response
from inference.models import Result
from studies.models import Study
from tests.browsers import look, sign_in
from tests.conftest import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
VIEWER = "**/*.bundle.*.js"
OpenForm = Callable[..., Page]


@pytest.fixture
def image(exam: Exam) -> Instance:
    """An image of the exam, for drawings to refer to."""
    series = Series.objects.create(exam=exam, series_instance_uid="1.2.3.4", modality="DX")
    return Instance.objects.create(series=series, sop_instance_uid="1.2.3.4.5", sop_class_uid="1.2", size=1)


@pytest.fixture
def open_form(
    browser: Browser, live_server: LiveServer, cast: Cast, study: Study, result: Result
) -> Iterator[OpenForm]:
    """reader1 on the page of the result, which asks the given form."""
    contexts: list[BrowserContext] = []

    def on(definition: FormDefinition, *, width: int = 1440, height: int = 900, **context: Any) -> Page:
        Study.objects.filter(pk=study.pk).update(form=forms.register(definition.name, definition))
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        page = contexts[-1].new_page()
        page.route(VIEWER, lambda route: route.abort())
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        sign_in(page, live_server.url, cast.reader)
        page.goto(f"{live_server.url}/results/{result.pk}/")
        return page

    yield on
    for context in contexts:
        context.close()


def saved(page: Page) -> None:
    expect(page.get_by_role("heading", name="Your feedback is saved")).to_be_visible()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_the_hip_form_is_answered_by_keys_and_asks_for_a_place_only_of_a_fracture(
    open_form: OpenForm, image: Instance
) -> None:
    page = open_form(forms.example("hfd"))
    place = page.locator("[data-path='hips.right-hip.place']")
    expect(place).to_be_hidden()
    press(page, "f", "8", "5", "Enter")
    expect(place).to_be_visible()
    look(page, "hfd")
    place.locator("summary").click()
    place.locator("input").fill(
        f'{{"type": "point", "SOPInstanceUID": "{image.sop_instance_uid}", "points": [[5, 6]]}}'
    )
    press(page, "Enter", "n")
    press(page, *"100", "Enter", "4", "Control+Enter")
    saved(page)
    assert Response.objects.get().answers == {
        "hips": {
            "right-hip": {
                "state": "fracture",
                "sure": 85,
                "place": {"type": "point", "SOPInstanceUID": "1.2.3.4.5", "points": [[5, 6]]},
            },
            "left-hip": {"state": "normal", "sure": 100},
        },
        "quality": 4,
    }
    look(page, "hfd-saved")


def test_lesions_are_added_and_removed_by_keys_and_their_faults_show_where_they_are(open_form: OpenForm) -> None:
    page = open_form(forms.example("bts"))
    press(page, "+", "a", "y", "+", "r")
    expect(page.locator("[data-item]")).to_have_count(2)
    expect(page.locator("[data-path='lesions.1.change']")).to_be_hidden()
    press(page, "+")
    expect(page.get_by_text("Lesion 3")).to_be_visible()
    look(page, "bts")
    page.get_by_role("button", name="Remove Lesion 1").press("Enter")
    expect(page.locator("[data-item-name]")).to_have_text(["Lesion 1", "Lesion 2"])
    page.locator("[name=answer-confidence]").fill("101")
    press(page, "Control+Enter")
    expect(page.locator("[data-path=confidence]")).to_contain_text("from 0 to 100")
    expect(page.locator("[data-path=response]")).to_contain_text("Not answered yet.")
    look(page, "bts-faults")
    page.locator("[name=answer-confidence]").fill("70")
    page.locator("[name=answer-response]").first.focus()
    press(page, "3", "Enter", "s", "Control+Enter")
    saved(page)
    answers = Response.objects.get().answers
    assert answers["lesions"] == [{"answers": {"outline": "reject"}}]
    assert (answers["response"], answers["report"]) == ("stable", "as-shown")


def test_a_hidden_answer_is_not_kept(open_form: OpenForm) -> None:
    page = open_form(forms.example("lts"))
    press(page, "5", "4", "3", "4", "i")
    page.locator("[name=answer-what]").first.check(force=True)
    page.locator("[name=answer-minutes]").fill("12")
    look(page, "lts")
    page.locator("[name=answer-edits][value=none]").check(force=True)
    expect(page.locator("[data-path=minutes]")).to_be_hidden()
    press(page, "a")
    page.locator("[name=answer-confidence]").fill("90")
    press(page, "Control+Enter")
    saved(page)
    assert Response.objects.get().answers == {
        "parts": {
            "left-lobe": {"quality": 5},
            "right-lobe": {"quality": 4},
            "hepatic-veins": {"quality": 3},
            "portal-vein": {"quality": 4},
        },
        "edits": "none",
        "planning": "as-it-is",
        "confidence": 90,
    }


def test_the_browsers_language_counts_until_another_is_chosen_and_answers_stay(open_form: OpenForm) -> None:
    page = open_form(forms.example("hfd"), locale="de-CH")
    expect(page.get_by_role("heading", name="Hüftfraktur")).to_be_visible()
    press(page, "h")
    look(page, "hfd-de")
    page.get_by_role("button", name="en", exact=True).click()
    expect(page.get_by_role("heading", name="Hip fracture")).to_be_visible()
    expect(page.locator("[name='answer-hips.right-hip.state']:checked")).to_have_value("hardware")
    assert not Response.objects.exists()
    page.reload()
    expect(page.get_by_role("heading", name="Hip fracture")).to_be_visible()


TEN = FormDefinition.model_validate(
    {
        "name": "ten",
        "title": "Ten questions",
        "sections": [
            {
                "questions": [
                    *(
                        {
                            "key": f"scale-{number}",
                            "type": "scale",
                            "label": label,
                            "labels": ["Unusable", "Poor", "Fair", "Good", "Excellent"],
                        }
                        for number, label in enumerate(["Image quality", "Outline", "Vessels"])
                    ),
                    *(
                        {
                            "key": f"choice-{number}",
                            "type": "single-choice",
                            "label": label,
                            "choices": [
                                {"value": "yes", "label": "Yes"},
                                {"value": "partly", "label": "In parts"},
                                {"value": "no", "label": "No"},
                            ],
                        }
                        for number, label in enumerate(["Would you accept it?", "Was it of help?"])
                    ),
                    {"key": "sure", "type": "confidence", "label": "How sure are you?", "low": "guess"},
                    {"key": "size", "type": "number", "label": "Longest diameter", "unit": "mm", "maximum": 300},
                    {"key": "seen", "type": "date", "label": "Last seen"},
                    {"key": "where", "type": "region", "label": "Where is it?"},
                    {"key": "comment", "type": "text", "label": "Comment"},
                ]
            }
        ],
    }
)


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_ten_questions_are_in_sight_without_scrolling(open_form: OpenForm, width: int, height: int) -> None:
    page = open_form(TEN, width=width, height=height)
    panel = page.locator("#feedback")
    box = panel.bounding_box()
    look(page, f"ten-{width}")
    assert box is not None
    assert box["y"] + box["height"] <= height
    assert panel.evaluate("e => e.scrollHeight <= e.clientHeight")
    assert panel.evaluate("e => e.scrollWidth <= e.clientWidth")
    expect(page.locator("[data-field]")).to_have_count(10)


def test_what_the_viewer_says_was_drawn_is_taken_by_the_question_that_waits_for_it(
    open_form: OpenForm, image: Instance
) -> None:
    page = open_form(TEN)
    where = page.locator("[data-path=where]")
    where.get_by_role("button", name="Pick in the images").press("Enter")
    expect(where).to_contain_text("Draw in the images now.")
    drawing = {"type": "point", "SOPInstanceUID": image.sop_instance_uid, "points": [[12.5, 40]]}
    frame = page.frames[1]
    tell = "drawing => window.parent.postMessage({overread: 'drawn', drawing}, location.origin)"
    frame.evaluate(tell, drawing | {"type": "box"})
    frame.evaluate(tell, drawing)
    expect(where).to_contain_text("point at (13, 40)")
    where.get_by_role("button", name="Remove").press("Enter")
    expect(where).to_contain_text("Nothing yet.")


def test_an_amendment_says_why_and_shows_what_changed(open_form: OpenForm) -> None:
    page = open_form(forms.example("segmentation-quality"))
    press(page, "4", "a", "Control+Enter")
    saved(page)
    press(page, "m")
    expect(page.get_by_role("heading", name="Amend your feedback")).to_be_visible()
    press(page, "2", "Control+Enter")
    expect(page.locator("[data-problem]")).to_contain_text("An amendment needs a reason")
    page.get_by_label("Reason for the amendment").fill("Missed the vertex")
    look(page, "amend")
    press(page, "Control+Enter")
    saved(page)
    look(page, "amended")
    expect(page.locator(".changes")).to_contain_text("Missed the vertex")
    expect(page.locator(".changes del")).to_have_text("4 Good")
    expect(page.locator(".changes ins")).to_have_text("2 Poor")
    page.get_by_text("Said before that (1)").click()
    expect(page.locator(".history .answers")).to_contain_text("4 Good")
    newest = Response.objects.get(reason="Missed the vertex")
    assert newest.amends is not None
    assert newest.active_seconds is not None
