"""A real Chromium in front of the whole demonstration."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Response

from portal.demo.seed import PASSWORD
from tests.demonstration import Demonstration

# The viewer's own, when its frame is led elsewhere while it draws.
FRAME_LEFT = "viewport has been destroyed"
Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((1440, 900), (1024, 768))


@dataclass
class Complaints:
    """What a browser had to complain about: errors, refusals, breaches of the content security policy."""

    found: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", self._exception)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.found.append(f"console: {message.text}")

    def _exception(self, error: Error) -> None:
        if FRAME_LEFT not in error.message:
            self.found.append(f"exception: {error}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"HTTP {response.status}: {response.url}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Those of every page that the test opens; there may be none at its end."""
    heard = Complaints()
    yield heard
    assert heard.found == []


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, complaints: Complaints) -> Iterator[OpenPage]:
    """A new browser of somebody's, who has not logged in yet."""
    contexts: list[BrowserContext] = []

    def new(width: int = 1440, height: int = 900) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        complaints.listen(page)
        return page

    yield new
    for context in contexts:
        context.close()


def log_in(page: Page, username: str = "reader1") -> None:
    """Fill in the login page that stands open."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


@pytest.fixture
def reader(open_page: OpenPage, demonstration: Demonstration) -> Page:
    """reader1, logged in."""
    page = open_page()
    page.goto(f"{demonstration.url}/login/")
    log_in(page)
    return page


Pixels = npt.NDArray[np.int16]


def pixels_of(shown: Locator) -> Pixels:
    """What a person sees of an element: (rows, columns, 3) of red, green and blue."""
    picture = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    return np.asarray(picture, dtype=np.int16)
