"""The main job, as a radiologist does it: from the PACS to the result, the overlay, the volumes and the feedback."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect
from scipy import ndimage

from tests.demonstration import Demonstration, another_exam, wait_for
from tests.e2e.conftest import SIZES, OpenPage, Pixels, Size, log_in, pixels_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # the first test starts the demonstration

SEGMENT = np.array([242, 181, 68])  # the colour that the pipeline recommends for the brain, #f2b544
OVERLAY_SECONDS = 120


@pytest.fixture(scope="module")
def latest(demonstration: Demonstration) -> dict[str, Any]:
    """The last of the three exams of one patient, as the API has it."""
    (exam,) = demonstration.api("exams/", accession_number="DEMO-A3")["results"]
    found: dict[str, Any] = exam
    return found


@pytest.fixture(scope="module")
def result(demonstration: Demonstration, latest: dict[str, Any]) -> dict[str, Any]:
    (only,) = demonstration.api("results/", exam=latest["study_instance_uid"])["results"]
    found: dict[str, Any] = only
    return found


def pacs_link(demonstration: Demonstration, exam: dict[str, Any]) -> str:
    return f"{demonstration.url}/IHEInvokeImageDisplay?requestType=STUDY&studyUID={exam['study_instance_uid']}"


def viewport(page: Page | FrameLocator) -> Locator:
    """The picture that OHIF draws."""
    return page.locator("canvas.cornerstone-canvas").first


def in_colour_of_segment(pixels: Pixels) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(pixels - SEGMENT).max(axis=2) <= 24)


def in_grey(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """The image itself: what is bright and has no colour of its own."""
    bright = pixels.min(axis=2) > 60
    return np.asarray(bright & (np.ptp(pixels, axis=2) < 48))


def largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest connected part of `mask` with its holes filled: of the letters on the picture nothing is left."""
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(parts == sizes.argmax()))


def dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def shown_with_overlay(drawn: Locator) -> Pixels:
    """The viewport once the segmentation is drawn on it and nothing moves any more."""
    expect(drawn).to_be_visible(timeout=OVERLAY_SECONDS * 1000)

    def look() -> list[Pixels]:
        before, after = pixels_of(drawn), pixels_of(drawn)
        is_still = before.shape == after.shape and np.array_equal(before, after)
        return [after] if is_still and in_colour_of_segment(after).sum() > 500 else []

    return wait_for(look, seconds=OVERLAY_SECONDS, every=1)[0]


def test_the_button_in_the_pacs_leads_through_the_login_to_the_result(
    open_page: OpenPage, demonstration: Demonstration, latest: dict[str, Any], result: dict[str, Any]
) -> None:
    page = open_page()
    page.goto(pacs_link(demonstration, latest))
    assert "/login/" in page.url
    log_in(page)
    assert page.url == f"{demonstration.url}/results/{result['id']}/"
    expect(page.get_by_text("Demo, Alder")).to_be_visible()


def test_the_overlay_sits_on_the_brain(
    reader: Page, demonstration: Demonstration, latest: dict[str, Any], result: dict[str, Any]
) -> None:
    reader.goto(f"{demonstration.url}/results/{result['id']}/")
    pixels = shown_with_overlay(viewport(reader.frame_locator("iframe[data-viewer]")))
    outlined, brain = largest(in_colour_of_segment(pixels)), largest(in_grey(pixels))
    assert brain.sum() > 0.1 * brain.size  # the picture is there, and large
    assert dice(outlined, brain) > 0.9

    # Without the segmentation the same series has nothing in that colour.
    series = next(one for one in latest["series"] if one["modality"] == "MR" and one["instances"] > 100)
    plain = f"StudyInstanceUIDs={latest['study_instance_uid']}&SeriesInstanceUIDs={series['series_instance_uid']}"
    reader.goto(f"{demonstration.url}/viewer?{plain}")
    drawn = viewport(reader)
    expect(drawn).to_be_visible(timeout=OVERLAY_SECONDS * 1000)
    drawn.hover()

    def is_in_the_brain() -> bool:
        for _ in range(12):
            reader.mouse.wheel(0, 100)  # a slice further; the first ones lie above the head
        return bool(in_grey(pixels_of(drawn)).sum() > 20_000)

    wait_for(is_in_the_brain, seconds=OVERLAY_SECONDS, every=0)
    assert in_colour_of_segment(pixels_of(drawn)).sum() == 0


def test_the_table_and_the_chart_show_every_volume_of_the_patient(
    reader: Page, demonstration: Demonstration, result: dict[str, Any]
) -> None:
    volumes = [
        demonstration.api("results/", exam=exam["study_instance_uid"])["results"][0]["measurements"][0]["value"]
        for number in (1, 2, 3)
        for exam in demonstration.api("exams/", accession_number=f"DEMO-A{number}")["results"]
    ]
    reader.goto(f"{demonstration.url}/results/{result['id']}/")
    rows = reader.locator("table.rows tbody tr")
    expect(rows).to_have_count(3)
    for volume, row in zip(reversed(volumes), rows.all(), strict=True):
        assert f"{volume:.1f}" in written(row)
    change = 100 * (volumes[2] / volumes[0] - 1)
    assert f"{abs(change):.1f}%" in written(rows.first)
    # What the demonstration's exams were made with: 97.0 % and 93.5 % of the baseline's volume.
    assert volumes[1] / volumes[0] == pytest.approx(0.970, abs=0.01)
    assert volumes[2] / volumes[0] == pytest.approx(0.935, abs=0.01)
    expect(reader.get_by_text("at or beyond the 5 % threshold")).to_be_visible()
    chart = reader.locator("[data-chart] canvas").first
    expect(chart).to_be_visible()
    wait_for(lambda: np.ptp(pixels_of(chart), axis=2).max() > 80, seconds=10)  # its line has a colour


def written(row: Locator) -> str:
    """The text of a row without the blanks that group digits and set off units."""
    return "".join(row.inner_text().split())


def test_feedback_is_there_after_a_restart_and_for_the_api(
    reader: Page, open_page: OpenPage, demonstration: Demonstration, result: dict[str, Any]
) -> None:
    reader.goto(f"{demonstration.url}/results/{result['id']}/")
    reader.get_by_text("Good", exact=True).click()
    reader.get_by_text("Accept with edits").click()
    reader.get_by_text("Over-segmentation").click()
    reader.get_by_label("Comment").fill("Dura included at the vertex")
    reader.get_by_role("button", name="Submit").click()
    expect(reader.get_by_role("heading", name="Your feedback is saved")).to_be_visible()
    reader.context.close()

    demonstration.supervisor.restart("web")
    wait_for(lambda: answers(demonstration), seconds=30)

    (response,) = demonstration.api("feedback/", result=result["id"])["results"]
    assert response["author"] == "reader1"
    assert response["answers"] == {
        "quality": 4,
        "verdict": "accept-with-edits",
        "failure-modes": ["over-segmentation"],
        "comment": "Dura included at the vertex",
    }
    assert 0 < response["seconds"] < 120
    assert response["submitted_at"]

    page = open_page()  # another browser, after the restart
    page.goto(f"{demonstration.url}/results/{result['id']}/")
    log_in(page)
    expect(page.get_by_role("heading", name="Your feedback is saved")).to_be_visible()
    expect(page.get_by_text("Dura included at the vertex")).to_be_visible()


def answers(demonstration: Demonstration) -> bool:
    try:
        return bool(demonstration.api("exams/")["count"])
    except OSError:
        return False


def test_an_exam_pushed_with_dcmtk_shows_its_result_within_a_minute_of_its_last_image(
    open_page: OpenPage, demonstration: Demonstration, tmp_path: Path
) -> None:
    exam = another_exam("PUSHED", tmp_path)
    demonstration.push(exam)
    last_image = time.monotonic()
    wait_for(lambda: demonstration.api("exams/", user="admin", accession_number="PUSHED")["count"], seconds=20)
    page = open_page()
    page.goto(f"{demonstration.url}/exams/{exam.study_instance_uid}/")
    log_in(page, "admin")
    link = page.get_by_role("link", name="Open the result")
    expect(link).to_be_visible(timeout=60_000)  # by itself: nobody reloads the page
    link.click()
    expect(page.locator(".card-value")).to_contain_text("ml")
    assert time.monotonic() - last_image < 60
    (job,) = demonstration.api("jobs/", exam=exam.study_instance_uid)["results"]
    assert (job["state"], job["attempts"]) == ("succeeded", 1)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_pictures_of_the_result_page_for_people_to_look_at(
    open_page: OpenPage, demonstration: Demonstration, result: dict[str, Any], pictures: Path, size: Size
) -> None:
    page = open_page(*size)
    page.goto(f"{demonstration.url}/results/{result['id']}/")
    log_in(page, "reader2")
    shown_with_overlay(viewport(page.frame_locator("iframe[data-viewer]")))
    page.screenshot(path=pictures / f"result-{size[0]}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


FOUND = {
    "hip-fracture": ("DEMO-X1", "Fracture"),
    "liver-transplant": ("DEMO-L1", "Future liver remnant"),
    "glioma-followup": ("DEMO-G6", "Lesion volume"),
}


def result_of(demonstration: Demonstration, accession_number: str, pipeline: str) -> dict[str, Any]:
    who = "coordinator"  # readers of some of these studies are blinded
    (exam,) = demonstration.api("exams/", user=who, accession_number=accession_number)["results"]
    results = demonstration.api("results/", user=who, exam=exam["study_instance_uid"])["results"]
    (only,) = [one for one in results if one["pipeline"] == pipeline]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("pipeline", FOUND)
def test_what_a_demonstration_model_found_is_drawn_in_the_viewer_and_called_what_it_is(
    open_page: OpenPage, demonstration: Demonstration, pictures: Path, pipeline: str
) -> None:
    accession_number, said = FOUND[pipeline]
    reader = open_page(*SIZES[0])
    reader.goto(f"{demonstration.url}/results/{result_of(demonstration, accession_number, pipeline)['id']}/")
    log_in(reader, "coordinator")  # readers of two of these studies are blinded
    expect(reader.get_by_text("Demonstration model, not for clinical use").first).to_be_visible()
    expect(reader.get_by_text(said).first).to_be_visible()
    drawn = viewport(reader.frame_locator("iframe[data-viewer]"))
    expect(drawn).to_be_visible(timeout=OVERLAY_SECONDS * 1000)
    wait_for(lambda: in_colour(pixels_of(drawn)).sum() > 300, seconds=OVERLAY_SECONDS, every=1)
    reader.screenshot(path=pictures / f"result-{pipeline}-1440.png")


def in_colour(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """What no grey image has: an outline, or a box."""
    return np.asarray(np.ptp(pixels, axis=2) > 90)


def test_two_models_of_one_task_are_compared_where_their_results_are_shown(
    reader: Page, demonstration: Demonstration
) -> None:
    page = f"{demonstration.url}/results/{result_of(demonstration, 'DEMO-B1', 'brain-extraction')['id']}/"
    agreement = reader.get_by_text("Dice 0.9")

    def is_shown() -> bool:
        reader.goto(page)
        return agreement.count() > 0

    wait_for(is_shown, seconds=60, every=2)  # the scheduler has results compared a little after they are there
    expect(agreement.first).to_contain_text("Brain extraction (MindGrab)")


PAGES = {
    "my-work": ("reader2", "/"),
    "studies": ("coordinator", "/"),
    "study": ("coordinator", "/studies/brain-volume/"),
    "exam": ("coordinator", "/exams/{exam}/"),
    "jobs": ("coordinator", "/jobs/"),
    "models": ("scientist", "/models/"),
    "job": ("coordinator", "/jobs/{job}/"),
    "reception": ("coordinator", "/reception/"),
    "rule": ("coordinator", "/rules/new/"),
    "bring-in": ("coordinator", "/bring-in/"),
    "pacs": ("coordinator", "/pacs/"),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_with_real_data_in_it_fits_the_window_and_has_no_complaint(
    open_page: OpenPage, demonstration: Demonstration, result: dict[str, Any], pictures: Path, name: str
) -> None:
    username, path = PAGES[name]
    page = open_page()
    page.goto(f"{demonstration.url}{path.format(**result)}")
    log_in(page, username)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        expect(page.locator("h1").first).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=pictures / f"{name}-{width}.png")
