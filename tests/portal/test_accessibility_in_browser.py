"""Every page of the portal for people who see little or use no mouse: axe-core's rules, and the Tab key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from portal.models import User
from tests.portal.accessibility import axe, keyboard
from tests.portal.matrix.addresses import Address, Values, addresses
from tests.portal.matrix.table import TABLE

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

VIEWERS = frozenset({"viewer", "segmentation"})
"""OHIF's own pages, which are as OHIF makes them."""
WALKS = {
    "anonymous": {"login"},
    "coordinator": {"home", "study", "studies", "study-protocol", "study-results", "rule", "pacs", "forms", "job"},
    "reader": {"home", "study", "result", "read"},
    "qc": {"qc"},
    "annotator": {"annotation"},
    "admin": {"log"},
}
"""Who looks, each at what nobody before them may see, and some of the pages that have to be among those."""


SAMPLE = """<!doctype html><html lang="en"><title>A page</title><style>{style}</style>
<a class="skip-link" href="#content">Skip to the content</a><main id="content"><h1>A page</h1>{content}</main></html>"""


class Tabs:
    """One browser tab for each person, signed in. The viewer's own scripts, seconds of work, stay out."""

    def __init__(self, browser: Browser, url: str, users: dict[str, User]) -> None:
        self._browser, self._url, self._users = browser, url, users
        self._contexts: dict[str, BrowserContext] = {}

    def of(self, who: str) -> BrowserContext:
        if who not in self._contexts:
            self._contexts[who] = context = self._browser.new_context(base_url=self._url)
            context.route("**/*.bundle.*.js", lambda route: route.abort())
            if who != "anonymous":
                session = _session(self._users[who])
                context.add_cookies([{"name": "sessionid", "value": session, "url": self._url}])
            context.new_page()
        return self._contexts[who]

    def open(self, who: str, path: str) -> Page | None:
        """The page at `path`, or None where something else than a whole page answers."""
        context = self.of(who)
        answer = context.request.get(path)
        if not answer.headers.get("content-type", "").startswith("text/html") or "<!doctype html" not in answer.text():
            return None
        (page,) = context.pages
        page.route(f"**{path}", lambda route: route.fulfill(response=answer), times=1)
        page.goto(path)
        return page

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()


@pytest.fixture
def tabs(browser: Browser, live_server: LiveServer, everybody: dict[str, User]) -> Iterator[Tabs]:
    opened = Tabs(browser, live_server.url, everybody)
    yield opened
    opened.close()


@pytest.mark.parametrize("who", WALKS)
def test_no_page_keeps_anybody_out(tabs: Tabs, values: Values, who: str) -> None:
    found: dict[str, list[str]] = {}
    looked_at: set[str] = set()
    dialogs: set[str] = set()
    for address in _pages_of(who):
        page = tabs.open(who, address.asked(values, query=TABLE[address.name].query))
        if page is None:
            continue
        looked_at.add(address.name)
        if faults := keyboard.faults(page) + axe.faults(page, dialogs):
            found[address.name] = faults
    assert looked_at >= WALKS[who]
    assert not found, "\n".join(f"{page}:\n  " + "\n  ".join(faults) for page, faults in found.items())


@pytest.mark.parametrize(
    ("style", "content", "fault"),
    [
        ("", "<a href=/a>Go</a> <input type=date aria-label=Day> <details><summary>More</summary></details>", ""),
        ("a:focus { outline: none }", "<a href=/a>Go</a>", "looks the same with the focus"),
        (".skip-link { position: absolute; left: -999px }", "", "is not seen while it has the focus"),
        ("", "<a href=/a tabindex=3>Go</a>", "jumps the queue"),
        ("", "<div onkeydown='return false'><button>On</button></div><button>Out</button>", "finds no end"),
        ("", "<button></button>", "button-name"),
        ("a { color: #ccc; background: #fff }", "<a href=/a>Go</a>", "color-contrast"),
    ],
)
def test_what_keeps_people_out_is_found(browser: Browser, style: str, content: str, fault: str) -> None:
    page = browser.new_page()
    page.set_content(SAMPLE.format(style=style, content=content))
    found = keyboard.faults(page) + axe.faults(page, set())
    page.close()
    assert any(fault in line for line in found) if fault else found == []


def _pages_of(who: str) -> Iterator[Address]:
    """Each address that is got by this person, and by nobody who is named before; what readers begin at, always."""
    before = set(list(WALKS)[: list(WALKS).index(who)])
    for address in addresses():
        row = TABLE.get(address.name)
        if row is None or row.method != "get" or who not in row.allowed or address.name in VIEWERS:
            continue
        if not row.allowed & before or (who == "reader" and address.name in WALKS["reader"]):
            yield address


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value
