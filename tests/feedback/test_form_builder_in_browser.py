"""The form builder in a real browser, with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback import form_drafts, forms
from feedback.models import Form, FormDraft
from tests.browsers import look, sign_in
from tests.conftest import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, cast: Cast) -> Iterator[Page]:
    """The coordinator on the list of forms; a fault of the page's scripts or policy fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    sign_in(page, live_server.url, cast.coordinator, to="/forms/")
    yield page
    context.close()
    assert complaints == []


def saved(page: Page, revision: int) -> None:
    """Wait until the step that makes this revision is saved."""
    expect(page.locator("#revision")).to_have_value(str(revision))


def add_question(page: Page, kind: str, *, to: str = "kind-s0") -> None:
    picker = page.locator(f"#{to}")
    picker.focus()
    picker.select_option(kind)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def type_over(page: Page, text: str) -> None:
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def test_a_form_with_a_condition_and_a_group_is_built_tried_and_published_by_keyboard(  # noqa: PLR0915 - one story
    page: Page, pictures: Path
) -> None:
    page.keyboard.press("Tab")
    page.get_by_label("Title").focus()
    page.keyboard.type("Nodule check")
    page.keyboard.press("Enter")
    page.wait_for_url("**/forms/nodule-check/")
    add_question(page, "single-choice")
    saved(page, 2)
    label = page.locator("#label-s0q0")
    expect(label).to_be_focused()
    page.keyboard.type("Is there a nodule?")
    page.keyboard.press("Enter")
    saved(page, 3)
    expect(page.locator("#key-s0q0")).to_have_value("is-there-a-nodule")
    expect(page.locator("#preview")).to_contain_text("Is there a nodule?")

    add_question(page, "per-finding")
    saved(page, 4)
    expect(page.locator("#label-s0q1")).to_be_focused()
    page.keyboard.type("Each nodule")
    page.keyboard.press("Tab")
    saved(page, 5)
    page.locator("#when-s0q1").focus()
    page.locator("#when-s0q1").select_option("is-there-a-nodule")
    saved(page, 6)
    expect(page.locator("#row-s0q1")).to_contain_text("if is-there-a-nodule is yes")
    page.locator("#noun-s0q1").fill("Nodule")
    page.keyboard.press("Tab")
    saved(page, 7)

    inner = page.locator("[data-at='s0.q1.q0'] > summary")
    inner.press("Enter")
    expect(page.locator("#label-s0q1q0")).to_be_focused()
    page.locator("#kind-of-s0q1q0").select_option("number")
    saved(page, 8)
    page.locator("#label-s0q1q0").fill("Diameter")
    page.keyboard.press("Tab")
    saved(page, 9)
    page.locator("#unit-s0q1q0").fill("milimetre")
    page.keyboard.press("Tab")
    expect(page.locator("#problems-s0q1q0")).to_contain_text("is no unit known here")
    expect(page.locator("#preview")).to_contain_text("when what is marked on the left is mended")
    page.locator("#unit-s0q1q0").fill("mm")
    page.keyboard.press("Tab")
    expect(page.locator("#problems-s0q1q0")).to_be_empty()

    tried = page.locator("#preview-form")
    expect(tried.locator("[data-path=each-nodule]")).to_be_hidden()
    tried.locator("[name=answer-is-there-a-nodule]").first.focus()
    page.keyboard.press("1")
    expect(tried.locator("[data-path=each-nodule]")).to_be_visible()
    tried.locator("[name='answer-each-nodule.0.diameter']").focus()
    page.keyboard.type("12")
    page.keyboard.press("Control+Enter")
    expect(tried.locator(".builder-stored")).to_contain_text('"diameter": 12')
    page.screenshot(path=pictures / "form-builder.png")

    page.get_by_role("button", name="Publish").press("Enter")
    expect(page.get_by_text("Published as version 1.")).to_be_visible()
    form = Form.objects.get(slug="nodule-check")
    answers = {"is-there-a-nodule": "yes", "each-nodule": [{"answers": {"diameter": 12}}]}
    assert forms.check_answers(form, answers) == answers
    assert form_drafts.definition_of("nodule-check") == forms.definition_of(form)


def test_questions_move_are_doubled_removed_and_brought_back(page: Page, cast: Cast, live_server: LiveServer) -> None:
    form_drafts.begin("Hips", by=cast.coordinator, copy_of=forms.example("hfd"))
    page.goto(f"{live_server.url}/forms/hips/")
    rows = page.locator(".builder-row-title .row-title")
    before = rows.all_text_contents()
    page.get_by_role("button", name="Copy: Quality of the image").press("Enter")
    saved(page, 2)
    assert len(rows.all_text_contents()) == len(before) + 1
    page.locator("#label-s1q1").fill("Quality again")
    page.keyboard.press("Tab")
    saved(page, 3)
    page.locator("#label-s1q1").press("Alt+ArrowUp")
    saved(page, 4)
    expect(page.locator("#row-s1q0")).to_contain_text("Quality again")
    page.get_by_role("button", name="Remove: Quality again").press("Enter")
    saved(page, 5)
    assert rows.all_text_contents() == before
    page.locator("#content").focus()
    page.keyboard.press("u")
    saved(page, 6)
    expect(page.locator("#row-s1q0")).to_contain_text("Quality again")
    assert FormDraft.objects.get().definition["sections"][1]["questions"][0]["label"] == "Quality again"


def test_two_tabs_do_not_write_over_each_other(page: Page, cast: Cast, live_server: LiveServer) -> None:
    form_drafts.begin("Liver", by=cast.coordinator, copy_of=forms.example("lts"))
    page.goto(f"{live_server.url}/forms/liver/")
    draft = FormDraft.objects.get()
    form_drafts.step(draft, lambda document: document.update(title="Changed"), revision=1, by=cast.admin)
    page.locator("#form-title").fill("Mine")
    page.keyboard.press("Tab")
    expect(page.get_by_role("alert")).to_contain_text("The form was changed meanwhile")
    expect(page.locator("#form-title")).to_have_value("Changed")


def test_steps_are_taken_while_an_earlier_one_is_on_its_way(page: Page, cast: Cast, live_server: LiveServer) -> None:
    form_drafts.begin("Hips", by=cast.coordinator, copy_of=forms.example("hfd"))
    first = _labels(1)[0]
    page.goto(f"{live_server.url}/forms/hips/")
    page.evaluate("""() => {
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (body) { setTimeout(() => send.call(this, body), 700); };
    }""")
    line = page.locator("[data-at='s1.q0'] > summary")
    line.press("Alt+ArrowDown")
    line.press("Alt+ArrowDown")
    saved(page, 3)
    assert _labels(1).index(first) == 2
    page.locator("#kind-of-s1q2").select_option("text")
    page.locator("#label-s1q2").fill("Typed meanwhile")
    page.keyboard.press("Tab")
    saved(page, 5)
    expect(page.locator("#label-s1q2")).to_have_value("Typed meanwhile")
    assert _labels(1)[2] == "Typed meanwhile"


def test_a_field_is_saved_from_the_moment_it_is_there(page: Page, cast: Cast, live_server: LiveServer) -> None:
    form_drafts.begin("Hips", by=cast.coordinator, copy_of=forms.example("hfd"))
    page.goto(f"{live_server.url}/forms/hips/?open=s0.q0")
    page.evaluate("""() => new MutationObserver((_, observer) => {
        const label = document.getElementById("label-s0q0");
        if (document.getElementById("revision")?.value !== "2" || !label) return;
        observer.disconnect();
        label.value = "At once";
        label.dispatchEvent(new Event("change", { bubbles: true }));
    }).observe(document.body, { childList: true, subtree: true })""")
    page.locator("#kind-of-s0q0").select_option("text")
    saved(page, 3)
    assert _labels(0)[0] == "At once"


def _labels(section: int) -> list[str]:
    return [question["label"] for question in FormDraft.objects.get().definition["sections"][section]["questions"]]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_the_pages_of_the_builder_fit_their_window(
    page: Page, cast: Cast, live_server: LiveServer, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    form_drafts.begin("Hips", by=cast.coordinator, copy_of=forms.example("hfd"))
    for name, path in {
        "list": "",
        "builder": "hips/?open=s0.q0.q2",
        "translations": "hips/translations/?to=de",
        "text": "hips/text/",
    }.items():
        page.goto(f"{live_server.url}/forms/{path}")
        look(page, f"form-builder-{name}-{width}")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width, path
