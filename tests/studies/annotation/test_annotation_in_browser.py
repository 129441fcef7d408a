"""An annotator at work in a real browser with the real OHIF: a start mask corrected, one drawn from nothing, a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback.models import Form
from studies.annotation import dealing
from studies.models import ArmMask
from tests.browsers import look, sign_in
from tests.studies.annotation import makers
from tests.studies.annotation.makers import Bench

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
OVERLAY_MS = 90_000
SHAPE = (12, 96, 96)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def disk(radius: float) -> np.ndarray:
    rows, columns = np.indices(SHAPE[1:])
    return np.repeat(((rows - 48) ** 2 + (columns - 48) ** 2 <= radius**2)[None], SHAPE[0], axis=0).astype(np.uint8)


def bench_of(form: Form, folder: Path, *, start: str = "") -> Bench:
    grey = 100 + 900 * disk(40).astype(np.uint16)
    return makers.bench(form, folder, start=start, voxels=grey, liver=disk(16))


def opened(page: Page, url: str, bench: Bench) -> FrameLocator:
    """The annotator's page, claimed, with the viewer in it."""
    dealing.assign_in(bench.study)
    sign_in(page, url, bench.annotator)
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/annotation/$"))
    expect(page.locator("[data-feedback-form] [name=claim]")).to_have_value(re.compile(r"[0-9a-f]{16}"))
    return page.frame_locator("iframe[data-viewer]")


def test_explore(page: Page, live_server: LiveServer, form: Form, tmp_path: Path) -> None:
    import time

    page.on(
        "response",
        lambda r: print("HTTP", r.status, r.url[-120:]) if r.status >= 400 or r.request.method == "POST" else None,
    )
    bench = bench_of(form, tmp_path / "run")
    frame = opened(page, live_server.url, bench)
    expect(frame.locator("[data-cy=viewport-pane]").first).to_be_visible(timeout=OVERLAY_MS)
    time.sleep(8)
    look(page, "nothing-1")
    print(frame.locator("body").aria_snapshot())
    frame.get_by_text("Add Segmentation").first.click(timeout=5000)
    time.sleep(3)
    look(page, "nothing-2")
    frame.locator("[data-cy=Brush-btn], [data-cy=Brush]").first.click(timeout=5000)
    time.sleep(1)
    box = frame.locator("[data-cy=viewport-pane]").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    time.sleep(1)
    look(page, "nothing-3")
    page.get_by_role("button", name="Save what is drawn").click()
    time.sleep(6)
    look(page, "nothing-4")
    print(ArmMask.objects.values())
