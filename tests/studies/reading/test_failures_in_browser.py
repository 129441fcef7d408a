"""What goes wrong while somebody reads: nothing is lost, nothing doubled, and the page says what to do."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from feedback.models import Response
from studies.models import Read, Study
from tests.demonstration import wait_for
from tests.studies.reading.browsing import VIEWER_SCRIPTS, answer, claimed, start
from tests.studies.reading.reading import Bench
from viewer_static import views
from viewer_static.page import PageError

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SUBMIT = "**/reads/*/submit/"


def test_submitting_twice_in_a_hurry_submits_once(page: Page) -> None:
    start(page)
    answer(page, "4", "a", "Control+Enter", "Control+Enter", "Control+Enter")
    expect(page.get_by_text("Read 2 of 3")).to_be_visible()
    claimed(page)
    assert Response.objects.count() == 1
    assert Read.objects.filter(state=Read.State.SUBMITTED).count() == 1


def test_an_answer_that_was_kept_and_not_acknowledged_is_sent_again_and_goes_on(page: Page) -> None:
    start(page)
    lost: list[str] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.request.url)
        route.fetch()
        route.abort()

    page.route(SUBMIT, lose)
    answer(page, "4", "a", "Control+Enter")
    expect(page.locator("[data-problem]")).to_contain_text("cannot be reached")
    assert Response.objects.count() == 1
    answer(page, "Control+Enter")
    expect(page.get_by_text("Read 2 of 3")).to_be_visible()
    assert Response.objects.count() == 1


def test_a_second_window_that_was_not_told_shows_what_counts_and_what_came_too_late(
    page: Page, context: BrowserContext
) -> None:
    start(page)
    address = page.url
    answer(page, "2", "r")
    expect(page.locator("[data-save-state]")).to_contain_text("Saved")
    other = context.new_page()
    other.route(VIEWER_SCRIPTS, lambda route: route.abort())
    other.goto(address)
    claimed(other)
    answer(other, "5", "a", "Control+Enter")
    expect(other.get_by_text("Read 2 of 3")).to_be_visible()
    answer(page, "Control+Enter")
    expect(page.get_by_text("Submitted in another window")).to_be_visible()
    expect(page.get_by_text("Entered here and not saved", exact=True)).to_be_visible()
    assert Response.objects.get().answers["quality"] == 5


def test_a_study_that_closes_while_it_is_read_says_so_and_leaves_what_was_entered(page: Page, one: Bench) -> None:
    start(page)
    Study.objects.filter(pk=one.study.pk).update(stage=Study.Stage.LOCKED)
    answer(page, "4", "a")
    expect(page.locator("[data-problem]")).to_contain_text("The study is locked: it takes no answers now.")
    expect(page.locator("[data-save-state]")).to_have_text("Not saved")
    with page.expect_response("**/submit/"):
        answer(page, "Control+Enter")
    expect(page.locator("[data-problem]")).to_contain_text("takes no answers now")
    expect(page.locator("[name=answer-quality]:checked")).to_have_value("4")
    assert not Response.objects.exists()
    Study.objects.filter(pk=one.study.pk).update(stage=Study.Stage.ACTIVE)
    answer(page, "Control+Enter")
    expect(page.get_by_text("Read 2 of 3")).to_be_visible()


def test_a_viewer_whose_page_fails_says_so_and_the_form_still_works(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise PageError("The viewer is not installed.")

    monkeypatch.setattr(views, "page", missing)
    start(page)
    works_without_images(page)


def test_a_viewer_whose_scripts_do_not_come_says_so_and_the_form_still_works(page: Page) -> None:
    page.clock.install()
    start(page)
    state = "frame => frame.src && frame.contentDocument.readyState"
    wait_for(lambda: page.locator("[data-viewer]").evaluate(state) == "complete", seconds=30)
    expect(page.get_by_text("The viewer did not load.")).to_be_hidden()

    def has_waited() -> bool:
        page.clock.fast_forward(46_000)  # its watch begins when the frame's own load is told of
        return page.get_by_text("The viewer did not load.").is_visible()

    wait_for(has_waited, seconds=20)
    works_without_images(page)


def works_without_images(page: Page) -> None:
    expect(page.get_by_text("The viewer did not load.")).to_be_visible()
    answer(page, "4", "a", "Control+Enter")
    expect(page.get_by_text("Read 2 of 3")).to_be_visible()
    assert Response.objects.count() == 1
