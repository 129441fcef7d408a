"""QC by keyboard alone, by two reviewers, in a real browser: accept, reject with a digit, next, change, run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from portal.models import User
from studies.models import Case, QCReview, Study
from studies.quality import preparation
from tests.browsers import sign_in
from tests.conftest import Cast
from tests.studies.quality.checking import MakeCase, another_reviewer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

LOOK_MS = 350
"""Longer than the page takes a key for one that was held."""


OpenAs = Callable[[User], Page]


@pytest.fixture
def open_as(browser: Browser, live_server: LiveServer) -> Iterator[OpenAs]:
    """My work of a user, in a browser of their own."""
    opened = []

    def open_(user: User) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        opened.append(context)
        page = context.new_page()
        sign_in(page, live_server.url, user)
        return page

    yield open_
    for context in opened:
        context.close()


def picture(page: Page, pictures: Path, name: str) -> None:
    """As it is at both widths. No page may be wider than its window."""
    for width in (1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=pictures / f"{name}-{width}.png")


def press(page: Page, key: str) -> None:
    """As a person does who has looked at the case."""
    page.wait_for_timeout(LOOK_MS)
    page.keyboard.press(key)


def shows(page: Page, case: Case) -> None:
    expect(page.locator("[data-qc-title]")).to_contain_text(f"Case {case.number}")
    expect(page.locator("[data-qc-overlaid]")).to_have_js_property("complete", True)
    assert page.locator("[data-qc-overlaid]").evaluate("image => image.naturalWidth") > 100


def said(page: Page, words: str) -> None:
    expect(page.locator("[data-qc-said]")).to_contain_text(words)


def test_a_reviewer_clears_the_queue_by_keyboard_alone(
    livers: Study, in_qc: MakeCase, cast: Cast, open_as: OpenAs, pictures: Path
) -> None:
    first, second, third = (in_qc(livers, segments=2) for _ in range(3))
    preparation.prepare_waiting()
    page = open_as(cast.qc)
    picture(page, pictures, "qc-my-work")
    page.keyboard.press("q")
    shows(page, first)
    picture(page, pictures, "qc")
    before = page.locator("[data-qc-overlaid]").get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-qc-overlaid]").get_attribute("src") != before
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    picture(page, pictures, "qc-keys")
    page.keyboard.press("Escape")
    press(page, "n")
    shows(page, second)
    began = time.monotonic()
    press(page, "a")
    shows(page, third)
    assert time.monotonic() - began < 10
    said(page, f"Case {second.number} of Liver volumes: accepted.")
    press(page, "r")
    page.keyboard.press("Enter")
    said(page, "Choose a reason: press its digit.")
    page.keyboard.press("2")
    picture(page, pictures, "qc-reject")
    page.keyboard.press("Enter")
    shows(page, first)
    said(page, "rejected: Motion or artefact")
    press(page, "u")
    shows(page, third)
    expect(page.get_by_text("Another verdict counts in its place.")).to_be_visible()
    picture(page, pictures, "qc-other-series")
    press(page, "a")
    shows(page, first)
    press(page, "a")
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    picture(page, pictures, "qc-nothing")
    assert set(Case.objects.values_list("state", flat=True)) == {Case.State.ENROLLED}
    seconds = QCReview.objects.values_list("active_seconds", "open_seconds")
    assert len(seconds) == 4 and all(0 < (active or 0) <= (whole or 0) < 60 for active, whole in seconds)


def test_a_key_that_is_held_judges_one_case(livers: Study, in_qc: MakeCase, cast: Cast, open_as: OpenAs) -> None:
    first, second = in_qc(livers), in_qc(livers)
    page = open_as(cast.qc)
    page.keyboard.press("q")
    shows(page, first)
    page.wait_for_timeout(LOOK_MS)
    for _ in range(5):
        page.keyboard.down("a")
    page.keyboard.up("a")
    page.keyboard.press("a")
    shows(page, second)
    said(page, "accepted")
    assert QCReview.objects.get().case == first


def test_two_reviewers_at_once_and_what_the_coordinator_sees(
    livers_twice: Study, in_qc: MakeCase, cast: Cast, open_as: OpenAs, pictures: Path
) -> None:
    first, second = in_qc(livers_twice), in_qc(livers_twice)
    preparation.prepare_waiting()
    mine, theirs = open_as(cast.qc), open_as(another_reviewer(livers_twice))
    mine.keyboard.press("q")
    shows(mine, first)
    theirs.keyboard.press("q")
    shows(theirs, second)
    press(mine, "a")
    shows(mine, second)
    said(mine, "It waits for another reviewer.")
    press(theirs, "a")
    shows(theirs, first)
    press(theirs, "r")
    theirs.keyboard.press("3")
    theirs.keyboard.press("Enter")
    expect(theirs.get_by_text("You and another reviewer disagree")).to_be_visible()
    press(mine, "a")
    expect(mine.get_by_text("You and another reviewer disagree")).to_be_visible()
    picture(mine, pictures, "qc-disputed")
    coordinator = open_as(cast.coordinator)
    coordinator.goto(coordinator.url + "studies/livers/quality/")
    expect(coordinator.get_by_text("1 (50 %)")).to_be_visible()
    picture(coordinator, pictures, "qc-overview")
