"""An annotator at work in a real browser with the real OHIF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, FrameLocator, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback.models import Form
from studies.annotation import dealing
from studies.models import ArmMask
from tests.browsers import look, sign_in
from tests.studies.annotation import makers
from tests.studies.annotation.makers import Bench

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
VIEWER_MS = 90_000
"""How long the viewer may take on a machine that does other things besides."""
SHAPE = (12, 96, 96)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def disk(radius: float) -> NDArray[np.uint8]:
    """A cylinder through all slices."""
    rows, columns = np.indices(SHAPE[1:])
    return np.repeat(((rows - 48) ** 2 + (columns - 48) ** 2 <= radius**2)[None], SHAPE[0], axis=0).astype(np.uint8)


def bench_of(form: Form, folder: Path) -> Bench:
    """A bright body in which the pipeline drew a disk."""
    grey = 100 + 900 * disk(40).astype(np.uint16)
    return makers.bench(form, folder, voxels=grey, liver=disk(16))


def opened(page: Page, url: str, bench: Bench) -> FrameLocator:
    """The annotator's page, claimed, with the viewer in it."""
    dealing.assign_in(bench.study)
    sign_in(page, url, bench.annotator)
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/annotation/$"))
    expect(page.locator("[data-feedback-form] [name=claim]")).to_have_value(re.compile(r"[0-9a-f]{16}"))
    return page.frame_locator("iframe[data-viewer]")


def draw(page: Page, frame: FrameLocator) -> None:
    """A stroke of the brush across the middle of the image."""
    frame.get_by_text("Add segmentation").click()
    frame.get_by_role("button", name="Brush").click()
    room = frame.locator("[data-cy=viewport-pane]").first.bounding_box()
    assert room is not None
    middle, height = room["x"] + room["width"] / 2, room["y"] + room["height"] / 2
    page.mouse.move(middle, height)
    page.mouse.down()
    page.mouse.move(middle + 60, height, steps=8)
    page.mouse.up()


def test_a_mask_is_drawn_from_nothing_saved_and_submitted(
    page: Page, live_server: LiveServer, form: Form, tmp_path: Path
) -> None:
    bench = bench_of(form, tmp_path / "run")
    frame = opened(page, live_server.url, bench)
    expect(frame.get_by_text("Add segmentation")).to_be_visible(timeout=VIEWER_MS)
    look(page, "annotation-begun")
    draw(page, frame)
    expect(page.locator("[data-mask-state]")).to_have_text("Changed, not saved")
    page.get_by_role("button", name="Submit & next").click()
    expect(page.get_by_text("What you drew last is not saved yet")).to_be_visible()
    page.get_by_role("button", name="Save what is drawn").click()
    expect(page.get_by_text("Drawn in the viewer")).to_be_visible(timeout=VIEWER_MS)
    look(page, "annotation-saved")
    liver = next(one["ml"] for one in ArmMask.objects.get().structures if one["label"] == "Acme Liver")
    expect(page.get_by_role("row", name=f"Acme Liver {liver:.1f} ml")).to_be_visible()
    assert liver > 1
    page.get_by_role("button", name="Submit & next").click()
    page.wait_for_url(f"{live_server.url}/")
    finding = bench.finding()
    assert finding is not None and finding.series == ArmMask.objects.get().series
