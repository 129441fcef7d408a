"""The course in a real browser: choosing, printing, and prior and current side by side in the viewer."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Exam
from inference.models import Measurement, Result
from studies.models import Study
from tests.browsers import look, sign_in
from tests.conftest import Cast
from tests.demonstration import wait_for
from tests.e2e.conftest import Pixels, pixels_of
from tests.feedback.course.conftest import Correct
from tests.inference.received import receive
from tests.portal.accessibility import axe, keyboard
from tests.protocols import case_of
from tests.studies.blinding.makers import EARLIER, LIVER, PATIENT, ours, scan

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SLICES, ROWS, COLUMNS = 12, 96, 96
OVERLAY_SECONDS = 90.0


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may have nothing to complain about at the end."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def open_course(page: Page, server: LiveServer, cast: Cast, result: Result) -> None:
    sign_in(page, server.url, cast.reader, to=f"/results/{result.pk}/course/")


def test_a_baseline_is_chosen_by_keyboard_and_a_point_opens_its_exam(
    page: Page, live_server: LiveServer, cast: Cast, visits: list[Result]
) -> None:
    open_course(page, live_server, cast, visits[4])
    page.get_by_role("link", name="The nadir").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Against the nadir")).to_be_visible()
    expect(page.get_by_role("link", name="The nadir")).to_have_attribute("aria-current", "true")
    point = page.locator("svg.course-chart").get_by_role("link", name=re.compile("^2025-03-10: 10"))
    point.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/results/{visits[2].pk}/course/?*baseline=nadir")
    expect(page.locator(".course-table [aria-current=true]")).to_contain_text("2025-03-10")
    page.get_by_role("row", name=re.compile("^2024-12-10")).get_by_role("link", name="As baseline").click()
    expect(page.get_by_role("columnheader", name="Since 2024-12-10")).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_everything_fits_the_width(
    *, page: Page, live_server: LiveServer, cast: Cast, visits: list[Result], width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_course(page, live_server, cast, visits[4])
    for query in ("?baseline=nadir", "?finding=longest-diameter"):
        page.goto(f"{live_server.url}/results/{visits[4].pk}/course/{query}")
        look(page, f"course-{width}")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert page.locator(".table-room").first.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_nobody_is_kept_out_of_the_course_or_its_print(
    page: Page, live_server: LiveServer, cast: Cast, visits: list[Result], correct: Correct
) -> None:
    correct(visits[2], cast.reader, 13.0)
    open_course(page, live_server, cast, visits[4])
    assert keyboard.faults(page) + axe.faults(page, set()) == []
    page.goto(f"{live_server.url}/results/{visits[4].pk}/course/print/")
    assert keyboard.faults(page) + axe.faults(page, set()) == []


def test_the_print_is_one_sheet_of_a4_in_black_on_white(
    page: Page, live_server: LiveServer, cast: Cast, visits: list[Result]
) -> None:
    open_course(page, live_server, cast, visits[4])
    page.get_by_role("link", name="Print view").click()
    page.get_by_role("link", name="Without the patient's name").click()
    expect(page.get_by_role("heading", name="Patient not named")).to_be_visible()
    page.evaluate("window.print = () => { document.title = 'asked for' }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("asked for")
    page.emulate_media(media="print")
    expect(page.locator(".paper-bar")).to_be_hidden()
    assert page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    assert re.search(rb"/MediaBox\s*\[0 0 59[45][\d.]* 84[12]", printed), "not A4 portrait"


def disk(*, radius: float, column: float) -> NDArray[np.uint8]:
    """A cylinder through the slices in the middle."""
    rows, columns = np.indices((ROWS, COLUMNS))
    inside = (rows - ROWS / 2) ** 2 + (columns - column) ** 2 <= radius**2
    mask: NDArray[np.uint8] = np.repeat(inside[None].astype(np.uint8), SLICES, axis=0)
    mask[: SLICES // 3] = 0
    return mask


@pytest.fixture
def two_exams(cast: Cast, study: Study, tmp_path: Path) -> tuple[Result, Result]:
    """A patient's earlier exam with a small disk on the left, and the later one with a large one on the right."""
    found = []
    for number, (patient, radius, column) in enumerate(((EARLIER, 8, 30), (PATIENT, 16, 66)), start=1):
        grey = 100 + 900 * disk(radius=40, column=COLUMNS / 2).astype(np.uint16)
        instances = scan(patient, voxels=grey, WindowCenter=600, WindowWidth=1400)
        receive(instances, called_ae="BRAIN")
        case_of(study, Exam.objects.get(study_instance_uid=patient.study_instance_uid), number=number)
        result = ours(instances, {LIVER: disk(radius=radius, column=column)}, folder=tmp_path / str(number))
        Measurement.objects.create(result=result, name="Liver volume", value=radius, unit="ml")
        found.append(result)
    return found[0], found[1]


def coloured(pixels: Pixels) -> NDArray[np.bool_]:
    """Where the picture has the segment's colour, of which the viewer's own parts have nothing."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return np.asarray((red - green > 25) & (red - blue > 15))


def drawn(page: Page, place: int) -> NDArray[np.bool_]:
    """The overlay of one of the pictures, once it is drawn and stands still."""
    canvas = page.locator("canvas.cornerstone-canvas").nth(place)

    def overlay() -> list[NDArray[np.bool_]]:
        before, after = pixels_of(canvas), pixels_of(canvas)
        is_still = before.shape == after.shape and np.array_equal(before, after)
        return [coloured(after)] if is_still and coloured(after).sum() > 300 else []

    return wait_for(overlay, seconds=OVERLAY_SECONDS, every=0.2)[0]


def middle(mask: NDArray[np.bool_]) -> float:
    """Of what is set, across the picture, from 0 to 1."""
    return float(np.flatnonzero(mask.any(axis=0)).mean() / mask.shape[1])


def test_prior_and_current_are_one_click_away_each_with_its_segmentation(
    page: Page, live_server: LiveServer, cast: Cast, two_exams: tuple[Result, Result]
) -> None:
    open_course(page, live_server, cast, two_exams[1])
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Side by side").click()
    viewer = opened.value
    canvases = viewer.locator("canvas.cornerstone-canvas")
    expect(canvases).to_have_count(2, timeout=OVERLAY_SECONDS * 1000)
    current, prior = drawn(viewer, 0), drawn(viewer, 1)
    look(viewer, "side-by-side")
    assert middle(current) > 0.5 > middle(prior)
    assert current.sum() > 1.3 * prior.sum()
