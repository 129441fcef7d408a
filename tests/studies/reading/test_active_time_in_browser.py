"""The time in which a reader reads: with the page in front and in use. Time by the clock is kept beside it."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from feedback.models import Response
from studies.models import Read
from tests.studies.reading.browsing import VIEWER_SCRIPTS, answer, claimed, start

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def counted(page: Page) -> int:
    return int(page.locator("[data-active]").input_value())


def put(page: Page, state: str) -> None:
    """Playwright keeps every page in front, so that a tab goes to the back by its own word."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


@pytest.fixture
def reading(page: Page) -> Page:
    """The first read, with a clock that stands until it is moved."""
    page.clock.install()
    start(page)
    return page


def test_the_clock_stops_a_minute_after_the_last_sign_and_goes_on_with_the_next(reading: Page) -> None:
    reading.mouse.move(200, 200)
    before = counted(reading)
    reading.clock.run_for(30_000)
    assert 29 <= counted(reading) - before <= 31
    reading.clock.run_for(300_000)
    assert 58 <= counted(reading) - before <= 61, "five idle minutes"
    reading.keyboard.press("Shift")  # a moved mouse is told with the next frame, which may come too late
    reading.clock.run_for(10_000)
    assert 67 <= counted(reading) - before <= 72
    expect(reading.locator("[data-clock]")).to_have_text(f"01:{counted(reading) - 60:02}")


def test_a_tab_in_the_back_and_a_window_without_the_focus_count_nothing(reading: Page) -> None:
    reading.mouse.move(200, 200)
    before = counted(reading)
    put(reading, "hidden")
    reading.clock.run_for(20_000)
    assert counted(reading) - before <= 1
    put(reading, "visible")
    reading.evaluate("document.hasFocus = () => false")
    reading.clock.run_for(20_000)
    assert counted(reading) - before <= 1
    reading.evaluate("delete document.hasFocus")
    reading.clock.run_for(10_000)
    assert 9 <= counted(reading) - before <= 12


def test_a_page_that_was_too_busy_to_count_makes_up_for_it_and_one_that_slept_does_not(reading: Page) -> None:
    reading.mouse.move(200, 200)
    before = counted(reading)
    reading.clock.fast_forward(3_000)
    assert counted(reading) - before == 3
    reading.clock.fast_forward(3_600_000)
    assert counted(reading) - before <= 8


def test_two_tabs_count_once_and_both_times_are_kept(page: Page, context: BrowserContext) -> None:
    start(page)
    expect(page.locator("[data-clock]")).not_to_have_text("00:00")
    other = context.new_page()
    other.route(VIEWER_SCRIPTS, lambda route: route.abort())
    other.goto(page.url)
    claimed(other)
    answer(page, "2")
    expect(page.locator("[data-problem]")).to_contain_text("another window")
    for _ in range(3):
        other.mouse.move(100, 100)
        other.wait_for_timeout(700)
    answer(other, "4", "a", "Control+Enter")
    expect(other.get_by_text("Read 2 of 3")).to_be_visible()
    kept, read = Response.objects.get(), Read.objects.get(state=Read.State.SUBMITTED)
    assert kept.active_seconds is not None and kept.seconds is not None
    assert read.active_seconds == kept.active_seconds
    assert 1 <= kept.active_seconds <= kept.seconds
