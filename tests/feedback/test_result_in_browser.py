"""The result page in a real browser: keys, what happens when something fails, and what fits the window."""

import re
from collections.abc import Iterator
from datetime import date
from urllib.parse import urlsplit

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback.models import Response
from inference.models import Result
from tests.browsers import sign_in
from tests.conftest import PASSWORD, Cast
from tests.feedback.conftest import ANSWERS, Answer, MakeExam, MakeResult
from viewer_static import views
from viewer_static.page import PageError

VIEWER_SCRIPTS = "**/*.bundle.*.js"

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def result(make_exam: MakeExam, make_result: MakeResult) -> Result:
    """The last of three exams, changed by more than the threshold since the first."""
    make_result(make_exam(date(2022, 3, 14)), 1465.3)
    make_result(make_exam(date(2023, 4, 2)), 1438.9)
    return make_result(make_exam(date(2024, 3, 28)), 1379.4)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, live_server: LiveServer, cast: Cast, result: Result) -> Page:
    """reader1 on the result's page. The viewer's own scripts, seconds of work, stay out unless a test lets them in."""
    page = context.new_page()
    page.route(VIEWER_SCRIPTS, lambda route: route.abort())
    sign_in(page, live_server.url, cast.reader)
    page.goto(f"{live_server.url}/results/{result.pk}/")
    return page


def answer_by_keys(page: Page) -> None:
    """The usual answers, with nothing but the keyboard."""
    for key in ("4", "e", "1", "7"):
        page.keyboard.press(key)
    page.locator("textarea").focus()
    page.keyboard.type("Dura included at the vertex")


def expect_answers_kept(page: Page) -> None:
    expect(page.locator("[name=answer-quality]:checked")).to_have_value("4")
    expect(page.locator("textarea")).to_have_value("Dura included at the vertex")
    assert not Response.objects.exists()


def saved(page: Page) -> None:
    expect(page.get_by_role("heading", name="Your feedback is saved")).to_be_visible()


def test_feedback_is_given_with_the_keyboard_alone(page: Page, cast: Cast) -> None:
    answer_by_keys(page)
    page.keyboard.press("Control+Enter")
    saved(page)
    kept = Response.objects.get()
    assert (kept.author, kept.answers) == (cast.reader, ANSWERS)
    assert kept.seconds is not None and 0 < kept.seconds < 60


def test_a_key_moves_the_focus_on_and_digits_stay_with_their_question(page: Page) -> None:
    page.keyboard.press("4")
    expect(page.locator("[name=answer-verdict]").first).to_be_focused()
    page.keyboard.press("2")
    expect(page.locator("[name=answer-quality]:checked")).to_have_value("2")
    page.keyboard.press("r")
    expect(page.locator("[name=answer-verdict]:checked")).to_have_value("reject")
    expect(page.locator("[name=answer-failure-modes]").first).to_be_focused()
    page.keyboard.press("3")
    page.keyboard.press("3")
    page.keyboard.press("5")
    assert page.locator("[name=answer-failure-modes]:checked").evaluate_all("all => all.map(e => e.value)") == [
        "image-artefact"
    ]


def test_the_page_breaks_no_content_security_policy(page: Page) -> None:
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: blocked.append(str(error)))
    page.reload()
    chart = page.locator("[data-chart] canvas").first
    expect(chart).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    for step in range(20):  # over the line, so that a tooltip opens
        page.mouse.move(box["x"] + box["width"] * step / 20, box["y"] + box["height"] * 0.45)
    answer_by_keys(page)
    page.keyboard.press("Control+Enter")
    saved(page)
    assert blocked == []


def test_the_chart_is_drawn_with_its_threshold_and_flagged_point(page: Page) -> None:
    chart = page.locator("[data-chart] canvas").first
    expect(chart).to_be_visible()
    amber = """canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let i = 0; i < data.length; i += 4) {
            found += data[i] === 0xe9 && data[i + 1] === 0xb4 && data[i + 2] === 0x4c;
        }
        return found;
    }"""
    assert chart.evaluate(amber) > 20


def test_a_point_of_the_chart_opens_its_exam(page: Page) -> None:
    chart = page.locator("[data-chart]")
    expect(chart.locator("canvas").first).to_be_visible()
    where = """element => window.echarts.getInstanceByDom(element)
        .convertToPixel({seriesIndex: 0}, [Date.parse("2023-04-02"), 1438.9])"""
    x, y = chart.evaluate(where)
    other = page.get_by_role("link", name="2023-04-02").get_attribute("href")
    chart.click(position={"x": x, "y": y})
    page.wait_for_url(f"**{other}")


def test_what_is_wrong_is_said_beside_the_question_and_focused(page: Page) -> None:
    page.keyboard.press("4")
    page.keyboard.press("Control+Enter")
    wrong = page.locator("fieldset[aria-invalid=true]")
    expect(wrong).to_have_count(1)
    expect(wrong).to_contain_text("Not answered yet.")
    expect(wrong.locator("input").first).to_be_focused()
    page.keyboard.press("a")
    page.keyboard.press("Control+Enter")
    saved(page)


def test_an_unreachable_portal_costs_no_answer(page: Page, context: BrowserContext) -> None:
    answer_by_keys(page)
    context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-problem]")).to_contain_text("The portal cannot be reached")
    expect_answers_kept(page)
    context.set_offline(False)
    page.keyboard.press("Control+Enter")
    saved(page)


def test_a_lost_session_costs_no_answer(page: Page) -> None:
    answer_by_keys(page)
    Session.objects.all().delete()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect_answers_kept(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    saved(page)
    assert Response.objects.get().answers == ANSWERS


def test_a_failing_portal_costs_no_answer(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("out of order")

    answer_by_keys(page)
    with monkeypatch.context() as patch:
        patch.setattr("feedback.posting.submit", fail)
        page.keyboard.press("Control+Enter")
        expect(page.locator("[data-problem]")).to_contain_text("The portal failed (error 500)")
    expect_answers_kept(page)
    page.keyboard.press("Control+Enter")
    saved(page)


def test_the_second_of_two_tabs_may_amend_or_discard(page: Page, context: BrowserContext) -> None:
    other = context.new_page()
    other.goto(page.url)
    for key in ("4", "a", "Control+Enter"):
        page.keyboard.press(key)
    saved(page)
    for key in ("2", "r", "Control+Enter"):
        other.keyboard.press(key)
    expect(other.locator("[data-problem]")).to_contain_text("probably in another tab")
    expect(other.locator("[name=answer-quality]:checked")).to_have_value("2")
    other.get_by_label("Reason for the amendment").fill("The other tab was first")
    other.get_by_role("button", name="Submit the amendment").click()
    saved(other)
    assert [response.answers["quality"] for response in Response.objects.order_by("submitted_at")] == [4, 2]


def test_leaving_with_unsaved_answers_asks_first(page: Page) -> None:
    asked: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", dismiss)
    page.locator("label", has_text="Good").click()
    page.reload()
    assert asked == ["beforeunload"]
    page.reload()
    assert asked == ["beforeunload"], "nothing was entered since"


def test_amending_and_the_next_case_have_keys(
    page: Page, make_exam: MakeExam, make_result: MakeResult, result: Result
) -> None:
    for key in ("4", "a", "Control+Enter"):
        page.keyboard.press(key)
    saved(page)
    page.keyboard.press("m")
    expect(page.get_by_role("heading", name="Amend your feedback")).to_be_visible()
    page.get_by_role("link", name="Discard").click()
    saved(page)
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/results/(?!" + str(result.pk) + ")"))


def test_a_viewer_that_does_not_load_leaves_the_form(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise PageError("The viewer is not installed.")

    expect(page.locator("[data-viewer-fault]")).to_be_hidden()
    monkeypatch.setattr(views, "page", missing)
    page.reload()
    expect(page.get_by_text("The viewer did not load.")).to_be_visible()
    for key in ("4", "a", "Control+Enter"):
        page.keyboard.press(key)
    saved(page)


def test_q_brings_the_keyboard_back_from_the_images(page: Page) -> None:
    page.unroute(VIEWER_SCRIPTS)
    page.reload()
    page.frame_locator("[data-viewer]").locator("#root svg").first.wait_for()
    page.locator("[data-viewer]").focus()
    expect(page.locator("[data-keys-elsewhere]")).to_be_visible()
    page.keyboard.press("q")
    expect(page.locator("[data-keys-elsewhere]")).to_be_hidden()
    page.keyboard.press("5")
    expect(page.locator("[name=answer-quality]:checked")).to_have_value("5")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_the_whole_form_is_in_sight_without_scrolling(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    box = page.locator("#feedback").bounding_box()
    assert box is not None
    assert box["y"] > 100
    assert box["y"] + box["height"] <= height
    assert page.evaluate("document.scrollingElement.scrollHeight") <= height
    assert page.locator("#feedback").evaluate("e => e.scrollHeight <= e.clientHeight")
    for part in ("#feedback", ".result-facts"):
        assert page.locator(part).evaluate("e => e.scrollWidth <= e.clientWidth")


def test_at_200_percent_zoom_everything_is_reached_by_scrolling_down_alone(page: Page) -> None:
    page.set_viewport_size({"width": 720, "height": 450})
    submit = page.locator("[data-submit]")
    submit.scroll_into_view_if_needed()
    expect(submit).to_be_in_viewport()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 720


def test_the_exam_of_a_reader_names_no_patient_in_its_address_or_title(page: Page, result: Result) -> None:
    assert urlsplit(page.url).path == f"/results/{result.pk}/"
    assert "Demo" not in page.title()
    assert "DEMO-0001" not in page.url + page.title()


def test_the_saved_feedback_is_there_after_a_reload(page: Page, cast: Cast, result: Result, answer: Answer) -> None:
    answer(result, cast.reader)
    page.reload()
    saved(page)
    expect(page.locator("#feedback")).to_contain_text("Dura included at the vertex")
