"""How long a reader waits, in Chromium with the real viewer: `python -m benchmarks.reading`.

From a PACS link, by a reader who is signed in, to the mask drawn over the images; and from submitting a read to the
next one's mask drawn over its images. One browser, software WebGL, the portal's own web server.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks import reading_cases
from benchmarks.dicomweb_ours import environment, running, wait_for
from benchmarks.reading_cases import Bench
from portal.demo import engines
from tests.ports import free_port

RESULT = Path(__file__).parent / "results" / "reading.json"
TARGETS = {"PACS link to overlay": 3.0, "submit to next overlay": 2.0}
LINKS = 5
LINKS_OF_A_NEW_BROWSER = 2  # Chromium keeps what it compiled of a script when it meets it again
_LONGEST_MS = 120_000
_FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# In every frame: when a picture was last drawn with the colour of the first segment on it, and at which address.
_WATCH = """
document.addEventListener('CORNERSTONE_IMAGE_RENDERED', ({ detail }) => {
  const viewport = cornerstone.getRenderingEngine(detail.renderingEngineId)?.getViewport(detail.viewportId);
  const canvas = detail.element?.querySelector('canvas.cornerstone-canvas');
  // Reading pixels is slow, and so is left until there is something beside the image.
  if (!canvas?.width || !(viewport?.getActors().length > 1) || window.overlay?.search === location.search) return;
  const { data } = canvas.getContext('2d').getImageData(canvas.width / 2 - 50, canvas.height / 2 - 50, 100, 100);
  let coloured = 0;
  for (let at = 0; at < data.length; at += 16) coloured += data[at] - data[at + 1] > 25 && data[at] - data[at + 2] > 15;
  if (coloured > 300) window.overlay = { search: location.search, at: Date.now() };
}, true);
"""
# The moment at which the read that the page is of had its overlay, and was not covered any more; null before.
_SEEN = """() => {
  const read = location.pathname.split('/')[2];
  const overlay = document.querySelector('[data-viewer]')?.contentWindow.overlay;
  const isCovered = document.querySelector('[data-viewer-cover]:not([hidden])');
  return read && !isCovered && overlay?.search.includes(read) ? overlay.at : null;
}"""


def main() -> None:
    """Measure, print and write the file."""
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as folder, _portal(Path(folder)) as (url, bench):
        times = _measure(url, bench, Path(folder) / "profile")
    table = Table("from, to", "median s", "slowest s", "of", "to reach s")
    for what, seconds in times.items():
        median, slowest = statistics.median(seconds), max(seconds)
        table.add_row(what, f"{median:.2f}", f"{slowest:.2f}", str(len(seconds)), _target(what))
    Console().print(table)
    about = {"cores": os.cpu_count(), "load": os.getloadavg(), "targets_s": TARGETS}
    figures = {what: [round(one, 2) for one in found] for what, found in times.items()}
    RESULT.write_text(json.dumps(about | {"seconds": figures}, indent=2) + "\n")


def _target(what: str) -> str:
    return f"under {TARGETS[what]:g}" if what in TARGETS else ""


@contextmanager
def _portal(home: Path) -> Iterator[tuple[str, Bench]]:
    with ExitStack() as stack:
        started = stack.enter_context(engines.running(home))
        port = free_port()
        os.environ.update(started.environment | environment(home, port) | {"OVERREAD_BLINDING_KEY": "bench " * 8})
        import django  # noqa: PLC0415 - needs the settings above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        bench = reading_cases.write()
        stack.enter_context(running([sys.executable, "manage.py", "serve"], log=home / "serve.log"))
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/healthz")
        yield url, bench


def _measure(url: str, bench: Bench, profile: Path) -> dict[str, list[float]]:
    with sync_playwright() as playwright:
        # A profile on disk, as readers' browsers have: what was compiled of the viewer is kept in it.
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=_FLAGS, viewport={"width": 1440, "height": 900}
        )
        page = _signed_in(context, url, bench)
        new = [_by_link(page, url, bench.exams[0]) for _ in range(LINKS_OF_A_NEW_BROWSER)]
        links = [_by_link(page, url, bench.exams[0]) for _ in range(LINKS)]
        changes = [_by_submitting(page) for _ in bench.exams[1:]]
        context.close()
    return {
        "PACS link to overlay, in a browser that never had the viewer": new[:1],
        "PACS link to overlay": links,
        "submit to next overlay": changes,
    }


def _signed_in(context: BrowserContext, url: str, bench: Bench) -> Page:
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.goto(f"{url}/login/")
    page.fill("[name=username]", bench.username)
    page.fill("[name=password]", reading_cases.PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{url}/")
    return page


def _by_link(page: Page, url: str, exam: str) -> float:
    page.goto("about:blank")
    began = time.time()
    page.goto(f"{url}/IHEInvokeImageDisplay?requestType=STUDY&studyUID={exam}", wait_until="commit")
    return _seen(page) - began


def _by_submitting(page: Page) -> float:
    page.wait_for_timeout(2000)  # who reads takes longer than that, and the page makes the next one ready meanwhile
    here = page.url
    for key in ("4", "a"):
        page.locator("body").press(key)
    began = time.time()
    page.locator("body").press("Control+Enter")
    page.wait_for_url(lambda there: there != here, wait_until="commit")
    return _seen(page) - began


def _seen(page: Page) -> float:
    """The moment at which the overlay was there."""
    moment = page.wait_for_function(_SEEN, timeout=_LONGEST_MS, polling=100).json_value()
    return float(moment) / 1000


if __name__ == "__main__":
    main()
