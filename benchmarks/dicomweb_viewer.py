"""OHIF in Chromium on either server: the same pages, the same browser, only the DICOMweb root differs.

The pages come from the portal in both runs. The browser does not check origins, so that the peer is asked directly and
pays for no proxy between.
"""

from __future__ import annotations

import shutil
import statistics
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from benchmarks.dicomweb_exam import SERIES, SLICES, STUDY
from benchmarks.dicomweb_ours import Ours

TIMES = 3
_LONGEST_MS = 180_000
_FLAGS = ["--no-sandbox", "--disable-web-security", "--use-gl=angle", "--use-angle=swiftshader"]
_FLAGS_OF_GL = ["--enable-unsafe-swiftshader"]
# Milliseconds since navigation: when a viewport first showed an image, and when each frame had arrived.
_WATCH = """
window.seen = { first: null, frames: new Map() };
document.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => { window.seen.first ??= performance.now(); }, true);
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (entry.name.includes('/frames/') && entry.responseEnd) window.seen.frames.set(entry.name, entry.responseEnd);
  }
}).observe({ type: 'resource', buffered: true });
"""
_ALL_THERE = f"window.seen.first !== null && window.seen.frames.size >= {SLICES}"
_FIGURES = "[window.seen.first, Math.max(...window.seen.frames.values())]"


@dataclass(frozen=True)
class Opened:
    """Seconds from the opening of the viewer to its first image, and to the last frame of the volume."""

    first_image: float
    whole_volume: float


def race(ours: Ours, peer: str) -> tuple[Opened, Opened]:
    """Medians of several openings with an empty cache, ours and the peer's in turn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*_FLAGS, *_FLAGS_OF_GL])
        _open(browser, ours, root=None)  # compiles shaders and reads pages from disk
        rounds = [(_open(browser, ours, root=None), _open(browser, ours, root=peer)) for _ in range(TIMES)]
        browser.close()
    mine, theirs = zip(*rounds, strict=True)
    return _median(list(mine)), _median(list(theirs))


def _median(opened: list[Opened]) -> Opened:
    return Opened(
        statistics.median(each.first_image for each in opened), statistics.median(each.whole_volume for each in opened)
    )


def _open(browser: Browser, ours: Ours, *, root: str | None) -> Opened:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    try:
        return _timed(_signed_in(context, ours, root), ours)
    finally:
        context.close()


def _timed(page: Page, ours: Ours) -> Opened:
    page.add_init_script(_WATCH)
    page.goto(f"{ours.url}/viewer?StudyInstanceUIDs={STUDY}&SeriesInstanceUIDs={SERIES}", wait_until="commit")
    page.wait_for_function(_ALL_THERE, timeout=_LONGEST_MS, polling=100)
    first, last = page.evaluate(_FIGURES)
    return Opened(first / 1000, last / 1000)


def _signed_in(context: BrowserContext, ours: Ours, root: str | None) -> Page:
    page = context.new_page()
    page.goto(f"{ours.url}/login/")
    page.fill("[name=username]", ours.user.username)
    page.fill("[name=password]", ours.password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{ours.url}/")
    if root is not None:
        context.route("**/app-config.js", lambda route: _pointed(route, root))
    return page


def _pointed(route: Route, root: str) -> None:
    """The portal's configuration of OHIF with another DICOMweb root, and with the frames that it knows: multipart."""
    script = route.fetch().text()
    for ours, theirs in (
        ("const dicomweb = window.location.origin + root;", f"const dicomweb = '{root}';"),
        ("acceptHeader: [", "omitQuotationForMultipartRequest: true, acceptHeaderOfThePortal: ["),
    ):
        if script.count(ours) != 1:
            raise RuntimeError(f"app-config.js no longer holds {ours!r} once, as this benchmark expects.")
        script = script.replace(ours, theirs)
    route.fulfill(body=script, content_type="text/javascript")
