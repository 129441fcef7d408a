"""A reader with three reads, in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from portal.models import User
from studies.reading import assignment
from tests.browsers import sign_in
from tests.conftest import PASSWORD
from tests.studies.reading.browsing import VIEWER_SCRIPTS
from tests.studies.reading.reading import INDEPENDENT, Bench, bench


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def one() -> Bench:
    return bench(INDEPENDENT)


@pytest.fixture
def reader(one: Bench) -> User:
    reader = one.reader("first")
    reader.set_password(PASSWORD)
    reader.save()
    one.cases(3)
    assignment.assign()
    return reader


@pytest.fixture
def page(context: BrowserContext, live_server: LiveServer, reader: User) -> Page:
    """The reader on My work. The viewer's own scripts, seconds of work, stay out unless a test lets them in."""
    page = context.new_page()
    page.route(VIEWER_SCRIPTS, lambda route: route.abort())
    sign_in(page, live_server.url, reader)
    return page
