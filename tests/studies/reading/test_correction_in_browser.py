"""A reader corrects a mask in OHIF with the mouse: a save that fails, one that is measured, one after a reload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from django.db import connection
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Response, Route, expect
from pytest_django.live_server_helper import LiveServer

from feedback import correction_work, corrections
from feedback.models import Correction
from studies.models import Read
from tests.browsers import look, sign_in
from tests.studies.blinding.conftest import MakeScene, make_scene
from tests.studies.blinding.makers import LIVER, Scene, sent, vendors
from tests.studies.blinding.test_in_browser import disk

__all__ = ["make_scene"]
pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

LOADING_MS = 90_000
SAVING_MS = 60_000
STOW = "**/dicomweb/studies"


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker that is woken as the portal wakes one."""
    threads: list[threading.Thread] = []

    def work() -> None:
        correction_work.measure_waiting()
        connection.close()

    def wake(*_: str, **__: object) -> None:
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    monkeypatch.setattr(corrections, "hint", wake)
    yield
    for thread in threads:
        thread.join()


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """A bright body in which a vendor's AI drew a small disk."""
    grey = 100 + 900 * disk(radius=40).astype(np.uint16)
    made = make_scene(images={"voxels": grey, "WindowCenter": 600, "WindowWidth": 1400})
    made.finding("vendor", sent(vendors(made.instances, {LIVER: disk(radius=8, column=30)}, kind="BINARY")))
    return made


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, scene: Scene) -> Iterator[Page]:
    """The reader on the read of the vendor's mask, with its images."""
    read = scene.read("vendor", state=Read.State.ASSIGNED, opened_at=None)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(LOADING_MS)
    sign_in(page, live_server.url, scene.reader)
    page.goto(f"{live_server.url}/reads/{read.pk}/")
    expect(viewer(page).locator("canvas.cornerstone-canvas").first).to_be_visible(timeout=LOADING_MS)
    yield page
    context.close()


def viewer(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[data-viewer]")


def open_editor(page: Page, *, on: str) -> None:
    page.locator("[data-correct]").click()
    expect(viewer(page).get_by_text(on).first).to_be_visible(timeout=LOADING_MS)
    expect(viewer(page).get_by_text("Liver").first).to_be_visible(timeout=LOADING_MS)


def paint(page: Page, *, across: float, down: float) -> None:
    """One stroke of the brush, in parts of the picture's width and height."""
    viewer(page).locator("[data-cy=Brush-btn]").click()
    box = viewer(page).locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y + 10, steps=4)
    page.mouse.up()
    expect(says(page)).to_have_text("Changed, not saved")


def test_who_asks_for_the_editor_before_the_read_is_open_gets_it(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/open/", hold)
    with page.expect_request("**/open/"):
        page.reload()
    page.locator("[data-correct]").click()
    expect(says(page)).to_have_text("Opens as soon as the read is open")
    held[0].continue_()
    expect(page.locator("[data-save]")).to_be_visible()
    expect(says(page)).to_have_text("none yet")


def says(page: Page) -> Locator:
    return page.locator("[data-says]")


def is_saved(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/dicomweb/studies") and response.ok


@pytest.mark.timeout(600)  # the viewer is loaded three times
def test_a_mask_is_corrected_saved_measured_and_corrected_again(
    page: Page, scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    open_editor(page, on="Finding")
    paint(page, across=0.5, down=0.4)
    look(page, "correction-drawn")
    page.route(STOW, lambda route: route.abort())
    page.locator("[data-save]").click()
    expect(page.locator("[data-correction-problem]")).to_contain_text(
        "The portal cannot be reached, so it was not saved", timeout=SAVING_MS
    )
    expect(says(page)).to_have_text("Not saved")
    look(page, "correction-failed")
    assert not Correction.objects.exists()

    page.unroute(STOW)
    with page.expect_response(is_saved, timeout=SAVING_MS):
        page.locator("[data-save]").click()
    began = time.monotonic()
    expect(page.locator(".correction-now")).to_be_visible(timeout=SAVING_MS)
    record_property("seconds from the save to its volumes on the page", round(time.monotonic() - began, 1))
    look(page, "correction-measured")
    first = Correction.objects.get().structures.get()
    assert first.ml > first.before_ml
    assert first.removed_ml == 0
    expect(page.locator(".correction-now")).to_have_text(f"{first.ml:.1f} ml")

    page.reload()
    expect(page.locator(".correction-now")).to_have_text(f"{first.ml:.1f} ml")
    open_editor(page, on="Correction")
    paint(page, across=0.5, down=0.75)
    page.locator("[data-submit]").click()
    expect(page.locator("[data-correction-problem]")).to_contain_text("not saved yet")
    with page.expect_response(is_saved, timeout=SAVING_MS):
        page.keyboard.press("Control+s")
    expect(page.locator(".correction-now")).not_to_have_text(f"{first.ml:.1f} ml", timeout=SAVING_MS)
    second = Correction.objects.get(replaced_by=None).structures.get()
    assert second.before_ml == first.before_ml
    assert second.ml > first.ml, "it went on from the first"
    look(page, "correction-again")
    page.set_viewport_size({"width": 1024, "height": 768})
    look(page, "correction-1024")
