"""axe-core, which looks for what keeps people with disabilities from using a page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.demonstration import CACHE
from viewer_static import fetch

PACKAGES = Path(__file__).with_name("packages.toml")
GRAVE = frozenset({"serious", "critical"})
# The viewer in its frame is OHIF's, which has no choice of ours.
_RUN = "part => axe.run(part || document, {resultTypes: ['violations'], iframes: false})"
_PARTS = "() => [...document.querySelectorAll('dialog, [popover]')].map((part, at) => part.id || part.className || at)"
_OPEN = """at => {
    const part = document.querySelectorAll('dialog, [popover]')[at];
    part.hidden = false;
    if (part.popover) part.showPopover(); else if (!part.open) part.showModal();
    return part;
}"""
_CLOSE = "part => { if (part.popover) part.hidePopover(); else part.close(); }"


@cache
def source() -> str:
    """The script, fetched once and checked against its checksum."""
    into = CACHE / "packages"
    into.mkdir(parents=True, exist_ok=True)
    fetch.fetch_all(fetch.packages(PACKAGES), into, lambda line: None)
    return (into / "axe-core" / "axe.min.js").read_text()


def faults(page: Page, seen: set[str]) -> list[str]:
    """What is gravely wrong on `page` with all of it unfolded, and in each of its dialogs that is not `seen` yet."""
    page.emulate_media(reduced_motion="reduce")  # a button that is changing its colour is measured as if it had done
    page.evaluate(source())
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    found = _grave(page.evaluate(_RUN))
    for at, name in enumerate(page.evaluate(_PARTS)):
        if str(name) in seen:
            continue
        seen.add(str(name))
        part = page.evaluate_handle(_OPEN, at)
        found += _grave(page.evaluate(_RUN, part))
        page.evaluate(_CLOSE, part)
    return found


def _grave(report: Any) -> list[str]:
    """A line for each thing that breaks a rule: which rule, which thing, and how it may be mended."""
    return [
        f"{rule['id']}: {thing['html'][:200]} -- {' '.join(thing['failureSummary'].split())}"
        for rule in report["violations"]
        for thing in rule["nodes"]
        if (thing["impact"] or rule["impact"]) in GRAVE
    ]
