"""A walk over a page with the Tab key alone."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).with_name("keyboard.js").read_text()
MORE_THAN_ANY_PAGE_HAS = 400


def faults(page: Page) -> list[str]:
    """What the keyboard cannot reach on `page`, what traps it, and where one does not see that it is."""
    page.evaluate(SCRIPT)
    _to_the_top(page)
    presses = 0
    page.keyboard.press("Tab")
    found = _of_the_skip_link(page)
    while page.evaluate("keyboard.note()"):
        presses += 1
        if presses > MORE_THAN_ANY_PAGE_HAS:
            return [*found, "The Tab key finds no end."]
        page.keyboard.press("Tab")
    found += [f"is not reached, after {presses} stops: {one}" for one in page.evaluate("keyboard.unmet()")]
    found += [f"looks the same with the focus: {one}" for one in page.evaluate("keyboard.unseen()")]
    return found + [f"jumps the queue: {one}" for one in page.evaluate("keyboard.jumps()")]


def _to_the_top(page: Page) -> None:
    page.evaluate("document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")


def _of_the_skip_link(page: Page) -> list[str]:
    """The first stop leads past what every page has, and is seen while it has the focus."""
    first = page.locator(":focus")
    if first.count() != 1 or not (first.get_attribute("class") or "").startswith("skip-link"):
        return ["The first stop is no link to the content."]
    box = first.bounding_box()
    is_seen = box is not None and box["x"] >= 0 and box["y"] >= 0 and box["height"] > 10
    target = page.locator(first.get_attribute("href") or "#none")
    faults = [] if is_seen else ["The link to the content is not seen while it has the focus."]
    return faults if target.count() == 1 else [*faults, "The link to the content leads nowhere."]
