"""Blinded reads in a real browser: the viewer's link shows the finding at once, and two findings side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, Response, expect
from pytest_django.live_server_helper import LiveServer

from studies.blinding.links import viewer_url
from tests.browsers import sign_in
from tests.demonstration import wait_for
from tests.e2e.conftest import Pixels, pixels_of
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import LIVER, Masks, Scene, persons, sent, vendors

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

COLOUR = np.array([230, 25, 75])  # of the first segment, whatever arm drew it
SLICES, ROWS, COLUMNS = 12, 96, 96
OVERLAY_SECONDS = 90.0


def disk(*, radius: float, row: float = ROWS / 2, column: float = COLUMNS / 2) -> NDArray[np.uint8]:
    """A cylinder through all slices."""
    rows, columns = np.indices((ROWS, COLUMNS))
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return np.repeat(inside[None].astype(np.uint8), SLICES, axis=0)


@dataclass
class Heard:
    """What came over the network: addresses, and bodies of what is text."""

    urls: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("response", self._response)
        page.on("pageerror", self._error)

    def _error(self, error: object) -> None:
        # OHIF puts a segmentation's viewport in the place of the image's, which may still be drawing.
        if "viewport has been destroyed" not in str(error):
            self.faults.append(str(error))

    def _response(self, response: Response) -> None:
        self.urls.append(response.url)
        if response.status >= 400:
            self.faults.append(f"{response.status} {response.url}")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, heard: Heard) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    heard.listen(page)
    yield page
    context.close()


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """A bright body, of which the vendor drew a small disk on the left and the person a large one on the right."""
    grey = 100 + 900 * disk(radius=40).astype(np.uint16)
    made = make_scene(images={"voxels": grey, "WindowCenter": 600, "WindowWidth": 1400})
    masks: dict[str, Masks] = {
        "vendor": {LIVER: disk(radius=8, column=30)},
        "novice": {LIVER: disk(radius=16, column=66)},
    }
    made.finding("vendor", sent(vendors(made.instances, masks["vendor"], kind="BINARY")))
    made.finding("novice", sent(persons(made.instances, masks["novice"])))
    return made


def coloured(pixels: Pixels) -> NDArray[np.bool_]:
    """Where the picture has the segment's colour, be it its outline or its thin fill over grey."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return np.asarray((red - green > 25) & (red - blue > 15))


def drawn(viewport: Locator) -> Pixels:
    """The viewport once a segmentation is drawn on it and nothing moves any more."""
    expect(viewport).to_be_visible(timeout=OVERLAY_SECONDS * 1000)

    def look() -> list[Pixels]:
        before, after = pixels_of(viewport), pixels_of(viewport)
        is_still = before.shape == after.shape and np.array_equal(before, after)
        return [after] if is_still and coloured(after).sum() > 300 else []

    return wait_for(look, seconds=OVERLAY_SECONDS, every=0.2)[0]


def middle(mask: NDArray[np.bool_]) -> float:
    """Of what is set, across the picture, from 0 to 1."""
    return float(np.flatnonzero(mask.any(axis=0)).mean() / mask.shape[1])


def test_the_link_of_a_read_shows_its_finding_at_once_and_asks_its_own_root_alone(
    page: Page, live_server: LiveServer, scene: Scene, heard: Heard, record_property: Callable[[str, object], None]
) -> None:
    sign_in(page, live_server.url, scene.reader)
    began = time.monotonic()
    page.goto(live_server.url + viewer_url(scene.read("vendor")))
    pixels = drawn(page.locator("canvas.cornerstone-canvas").first)
    record_property("seconds from link to overlay", round(time.monotonic() - began, 1))
    assert heard.faults == []
    assert 0.3 < middle(coloured(pixels)) < 0.5
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
    asked = [url for url in heard.urls if "dicomweb" in url and "/viewer" not in url]
    assert asked
    assert all("/reads/" in url for url in asked)


def test_two_findings_are_side_by_side_a_on_the_left(
    page: Page, live_server: LiveServer, scene: Scene, heard: Heard
) -> None:
    sign_in(page, live_server.url, scene.reader)
    page.goto(live_server.url + viewer_url(scene.read("novice", "vendor")))
    canvases = page.locator("canvas.cornerstone-canvas")
    expect(canvases).to_have_count(2, timeout=OVERLAY_SECONDS * 1000)
    left, right = drawn(canvases.nth(0)), drawn(canvases.nth(1))
    for at, letter in enumerate("AB"):
        expect(page.get_by_text(f"Finding {letter}", exact=True).nth(0)).to_be_visible()
        box = page.get_by_text(f"Finding {letter}", exact=True).nth(0).bounding_box()
        frame = canvases.nth(at).bounding_box()
        assert box and frame and frame["x"] <= box["x"] < frame["x"] + frame["width"]
    assert middle(coloured(left)) > 0.5 > middle(coloured(right))
    assert coloured(left).sum() > 2 * coloured(right).sum()
    assert heard.faults == []


def test_the_unaided_read_shows_images_without_any_overlay(
    page: Page, live_server: LiveServer, scene: Scene, heard: Heard
) -> None:
    sign_in(page, live_server.url, scene.reader)
    page.goto(live_server.url + viewer_url(scene.read()))
    viewport = page.locator("canvas.cornerstone-canvas").first
    expect(viewport).to_be_visible(timeout=OVERLAY_SECONDS * 1000)
    wait_for(lambda: pixels_of(viewport).min(axis=2).max() > 150, seconds=OVERLAY_SECONDS, every=0.5)
    assert coloured(pixels_of(viewport)).sum() == 0
    assert heard.faults == []
