"""Signing in and out, and the frame around every page."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines
from django.test import Client, RequestFactory
from django.views.defaults import server_error
from pytest_django import Settings

from portal.models import User
from tests.conftest import PASSWORD, Cast

SignIn = Callable[[User], Client]


def test_a_page_asked_for_before_signing_in_opens_after_it_with_its_whole_query(client: Client, cast: Cast) -> None:
    wanted = "/IHEInvokeImageDisplay?requestType=STUDY&studyUID=1.2.3,1.2.4"
    asked = client.get(wanted, follow=True)
    assert 'name="username"' in asked.content.decode()
    next_page = asked.context["next"]
    answer = client.post("/login/", {"username": "reader1", "password": PASSWORD, "next": next_page})
    assert answer["Location"] == wanted


def test_a_wrong_password_is_said_in_words_and_keeps_where_to_go(client: Client, cast: Cast) -> None:
    answer = client.post("/login/", {"username": "reader1", "password": "wrong", "next": "/jobs/"})
    page = answer.content.decode()
    assert "correct username and password" in page
    assert 'role="alert"' in page
    assert 'name="next" value="/jobs/"' in page
    assert 'value="reader1"' in page


def test_signing_in_never_leads_to_another_site(client: Client, cast: Cast) -> None:
    answer = client.post("/login/", {"username": "reader1", "password": PASSWORD, "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/"


def test_signing_out_takes_a_post_and_ends_the_session(cast: Cast, signed_in: SignIn) -> None:
    browser = signed_in(cast.reader)
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/")["Location"] == "/login/"
    assert browser.get("/")["Location"] == "/login/?next=/"


EVERYTHING = {"/", "/studies/", "/jobs/", "/models/", "/reception/", "/rules/", "/forms/", "/bring-in/", "/pacs/"}


@pytest.mark.parametrize(
    ("who", "links"),
    [
        ("reader", {"/", "/studies/"}),
        ("qc", {"/", "/studies/", "/qc/", "/jobs/", "/models/"}),
        ("governance", {"/", "/studies/"}),
        ("coordinator", EVERYTHING),
        ("admin", EVERYTHING | {"/qc/"}),
    ],
)
def test_the_top_bar_links_to_what_the_role_may_open(cast: Cast, signed_in: SignIn, who: str, links: set[str]) -> None:
    page = signed_in(getattr(cast, who)).get("/").content.decode()
    navigation = page.partition('aria-label="Main"')[2].partition("</nav>")[0]
    assert set(re.findall(r'href="([^"]+)"', navigation)) == links


def test_the_demonstration_is_marked_as_such(cast: Cast, signed_in: SignIn, settings: Settings) -> None:
    browser = signed_in(cast.reader)
    assert "Demonstration data" not in browser.get("/").content.decode()
    settings.OVERREAD_DEMO = True
    assert "Demonstration data" in browser.get("/").content.decode()


def test_a_missing_page_does_not_tell_whether_it_exists(cast: Cast, signed_in: SignIn) -> None:
    browser = signed_in(cast.outsider)
    hidden, missing = browser.get("/studies/brain/"), browser.get("/studies/no-such-study/")
    assert hidden.status_code == missing.status_code == 404
    assert _without_token(hidden.content.decode()) == _without_token(missing.content.decode())
    assert "There is nothing here for you to see" in hidden.content.decode()


def test_a_fault_of_the_server_has_a_page_that_needs_nothing_that_may_be_broken(rf: RequestFactory) -> None:
    page = server_error(rf.get("/")).content.decode()
    assert "Something broke on our side" in page


def test_a_form_sent_from_an_old_page_says_so(cast: Cast) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.reader)
    answer = browser.post("/logout/")
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()


def test_the_policy_allows_nothing_inline_and_no_other_site(client: Client, db: None) -> None:
    policy = client.get("/login/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


PRINTED = ("result_report.html", "report.html")
"""Typeset as PDF, and never seen by a browser."""


def test_no_template_has_inline_script_or_style() -> None:
    """The policy would forbid it in the browser, where nobody sees the message."""
    inline = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)
    templates = [
        path for app in ("portal", "dicom_ingest", "inference", "feedback", "studies") for path in _templates(app)
    ]
    assert len(templates) > 20
    pages = [path for path in templates if path.name not in PRINTED]
    assert [str(path) for path in pages if inline.search(path.read_text())] == []


def test_every_template_can_be_read() -> None:
    for path in (path for app in ("portal", "inference", "studies") for path in _templates(app)):
        name = str(path).partition("/templates/")[2]
        engines["django"].get_template(name)


def _templates(app: str) -> list[Path]:
    return sorted((Path(settings.BASE_DIR) / app / "templates").rglob("*.html"))


def _without_token(page: str) -> str:
    return re.sub(r'(value|content)="[A-Za-z0-9]{64}"', "", page)
