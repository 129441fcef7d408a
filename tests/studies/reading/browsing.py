"""What a reader does in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

VIEWER_SCRIPTS = "**/*.bundle.*.js"


def start(page: Page) -> None:
    """Open the next read by its key, and wait until it is claimed."""
    page.keyboard.press("n")
    claimed(page)


def claimed(page: Page) -> None:
    page.wait_for_url(re.compile(r"/reads/[0-9a-f-]{36}/$"))
    expect(page.locator("[data-feedback-form] [name=claim]")).to_have_value(re.compile(r"[0-9a-f]{16}"))


def answer(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
