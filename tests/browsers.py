"""A real browser for tests, and where the pictures go that it takes. A plugin of pytest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

if TYPE_CHECKING:
    from portal.models import User

CHROMIUM = "chromium-headless-shell"
"""Chromium without the windows about its pages, which nobody sees here: a third of the work is spared."""
# The machines that run tests have no graphics card: one is emulated for WebGL, and what can do without it does.
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
    "--disable-accelerated-2d-canvas",
]
PATIENCE_MS = 20_000
"""How long a page may take over what it is expected to show, on a machine that does other things besides."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, beside Django's live server or the whole demonstration."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for a coroutine that blocks.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        expect.set_options(timeout=PATIENCE_MS)
        yield playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=FLAGS)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: docs/screenshots when OVERREAD_SCREENSHOTS says so, so that a test run changes no file."""
    chosen = os.environ.get("OVERREAD_SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def look(page: Page, name: str) -> None:
    """A picture for whoever asked for some to look at: in the folder that OVERREAD_LOOK names."""
    folder = os.environ.get("OVERREAD_LOOK")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def sign_in(page: Page, url: str, user: User, *, to: str = "/") -> None:
    """Sign `user` of the tests' cast in by the login page, and arrive at the page `to`."""
    from tests.conftest import PASSWORD

    page.goto(f"{url}/login/?next={to}")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{url}{to}")
