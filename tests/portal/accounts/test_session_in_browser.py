"""The end of a session as a reader meets it: a word before it, and nothing lost, nothing shown and nothing mixed up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Rule
from feedback.models import Response
from inference.models import Result
from portal.models import User
from tests.conftest import PASSWORD, Cast
from tests.feedback.conftest import ANSWERS

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SECONDS = 1000  # ms
SignInPage = Callable[[User], Page]


@pytest.fixture
def context(browser: Browser, result: Result) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    opened.route("**/*.bundle.*.js", lambda route: route.abort())  # the viewer's own scripts, seconds of work
    yield opened
    opened.close()


@pytest.fixture
def sign_in(context: BrowserContext, live_server: LiveServer) -> SignInPage:
    """A new tab in which somebody signs in: of the same browser, so the others' session is replaced."""

    def new_tab(user: User) -> Page:
        page = context.new_page()
        context.clear_cookies(name="sessionid")
        page.goto(f"{live_server.url}/login/")
        page.get_by_label("User name").fill(user.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{live_server.url}/")
        return page

    return new_tab


@pytest.fixture
def page(sign_in: SignInPage, cast: Cast, live_server: LiveServer, result: Result) -> Page:
    """reader1, who has answered everything on a result's page and not submitted it."""
    page = sign_in(cast.reader)
    open_and_answer(page, f"{live_server.url}/results/{result.pk}/")
    return page


def open_and_answer(page: Page, address: str) -> None:
    page.goto(address)
    for key in ("4", "e", "1", "7"):
        page.keyboard.press(key)
    page.locator("textarea").fill("Dura included at the vertex")


def signed_out(page: Page) -> None:
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible(timeout=20 * SECONDS)


def sign_in_again(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def saved(page: Page) -> None:
    expect(page.get_by_role("heading", name="Your feedback is saved")).to_be_visible()


def test_who_works_stays_signed_in_and_who_does_not_is_asked_before_the_end(
    sign_in: SignInPage, cast: Cast, settings: Settings
) -> None:
    settings.OVERREAD_IDLE_SECONDS = 5
    page = sign_in(cast.reader)
    asked = page.get_by_role("heading", name="Are you still there?")
    for _ in range(7):
        page.mouse.wheel(0, 10)
        page.wait_for_timeout(SECONDS)
    expect(asked).to_be_hidden()
    expect(asked).to_be_visible(timeout=20 * SECONDS)
    page.keyboard.press("Enter")  # "Stay signed in" has the focus
    expect(asked).to_be_hidden()
    page.reload()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_hidden()
    assert "/login/" not in page.url


def test_a_session_that_ends_by_itself_hides_the_page_and_keeps_what_was_entered(
    sign_in: SignInPage, cast: Cast, settings: Settings, live_server: LiveServer, result: Result
) -> None:
    settings.OVERREAD_IDLE_SECONDS = 3
    page = sign_in(cast.reader)
    open_and_answer(page, f"{live_server.url}/results/{result.pk}/")
    signed_out(page)
    settings.OVERREAD_IDLE_SECONDS = 600
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    signed_out(page)
    assert page.evaluate("document.elementFromPoint(1300, 800).closest('dialog') !== null"), "the page is covered"
    sign_in_again(page, "a-wrong-one")
    expect(page.locator("[data-session-problem]")).to_contain_text("correct username and password")
    sign_in_again(page)
    expect(page.get_by_role("heading", name="You are signed out")).to_be_hidden()
    expect(page.locator("textarea")).to_have_value("Dura included at the vertex")
    assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").count("Dura") == 0
    assert not Response.objects.exists(), "nothing was sent that had not been sent before"
    page.locator("textarea").focus()
    page.keyboard.press("Control+Enter")
    saved(page)


def test_answers_sent_after_the_session_ended_are_saved_by_signing_in(page: Page, cast: Cast) -> None:
    Session.objects.all().delete()
    page.keyboard.press("Control+Enter")
    signed_out(page)
    assert not Response.objects.exists()
    sign_in_again(page)
    saved(page)
    kept = Response.objects.get()
    assert (kept.author, kept.answers) == (cast.reader, ANSWERS)


def test_answers_of_one_user_are_not_saved_as_anothers(page: Page, cast: Cast, sign_in: SignInPage) -> None:
    sign_in(cast.other_reader)
    page.bring_to_front()
    page.keyboard.press("Control+Enter")
    signed_out(page)
    expect(page.locator("[data-session-why]")).to_contain_text("Somebody else signed in")
    page.locator("[name=username]").evaluate("input => { input.value = 'reader2' }")
    sign_in_again(page)
    expect(page.locator("[data-session-problem]")).to_contain_text("entered by another user")
    page.locator("[name=username]").evaluate("input => { input.value = 'reader1' }")
    sign_in_again(page)
    saved(page)
    assert Response.objects.get().author == cast.reader


def test_signing_in_again_in_another_tab_is_enough(page: Page, cast: Cast, sign_in: SignInPage) -> None:
    Session.objects.all().delete()
    page.keyboard.press("Control+Enter")
    signed_out(page)
    sign_in(cast.reader)
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    saved(page)


def test_a_form_that_the_browser_sends_itself_is_kept_as_well(
    sign_in: SignInPage, cast: Cast, live_server: LiveServer
) -> None:
    page = sign_in(cast.coordinator)
    page.goto(f"{live_server.url}/rules/new/")
    page.locator("[name=name]").fill("Every MR")
    page.locator("[name=expression]").fill('series.Modality == "MR"')
    Session.objects.all().delete()
    page.get_by_role("button", name="Save").click()
    signed_out(page)
    assert not Rule.objects.exists()
    sign_in_again(page)
    page.wait_for_url(re.compile(r"/rules/\d+/"))
    assert Rule.objects.get().name == "Every MR"


def test_signing_out_needs_no_session(sign_in: SignInPage, cast: Cast, live_server: LiveServer) -> None:
    page = sign_in(cast.reader)
    Session.objects.all().delete()
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/")
