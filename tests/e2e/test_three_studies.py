"""UCSF's three studies by the people who run them, from the exams that were pushed to the report for the board.

A coordinator, a QC reviewer, two readers, two annotators, an adjudicator and a member of the board have a browser each.
What a reader sees of a case names nobody who drew.
"""

from __future__ import annotations

import csv
import io
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.demonstration import CACHE, Demonstration, wait_for
from tests.e2e.conftest import OpenPage, log_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

GLIOMA, LIVER, HIP = "glioma-follow-up", "liver-transplant", "hip-fracture"
TITLES = {
    GLIOMA: "Glioma follow-up on FLAIR",
    LIVER: "Liver lobes before living donation",
    HIP: "Hip fracture on pelvis radiographs",
}
MASKS = CACHE / "exams" / "DEMO-L1-masks"
IMAGES_MS, ITSELF_MS = 120_000, 60_000
"""How long images may take to be drawn, and what the portal does by itself: dealing reads, finding a disagreement."""
BRIGHT = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, place) => place % 4 === 0 && value > 40).length * 4 / data.length;
}"""
DRAWN = 0.02
"""The least part of a viewport that is bright where there is any anatomy: the first slice of a head is small."""
LOOK_MS = 350
"""The page of QC takes a key that comes sooner for one that was held down."""

As = Callable[[str], Page]


@pytest.fixture
def as_(open_page: OpenPage, demonstration: Demonstration) -> As:
    """My work of somebody of the demonstration, in a browser of their own, in which they log in once."""
    pages: dict[str, Page] = {}

    def of(username: str) -> Page:
        if username in pages:
            pages[username].goto(demonstration.url)
            return pages[username]
        page = pages[username] = open_page()
        page.goto(f"{demonstration.url}/login/")
        log_in(page, username)
        return page

    return of


def test_liver_masks_of_expert_novice_and_model_are_scored_blind(as_: As, pictures: Path) -> None:
    accept(as_("qc"), LIVER, case=1)
    for name, file in (("expert", "expert.nii.gz"), ("novice", "novice.dcm")):
        page = begin(as_(name), LIVER, what="Annotation 1 of 1")
        images(page)
        page.locator("#mask-file").set_input_files(MASKS / file)
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.locator("#mask")).to_contain_text(f"{file}", timeout=ITSELF_MS)
        images(page)
        shot(page, pictures, f"annotation-{name}")
        submit(page)
    page = begin(as_("reader1"), LIVER, what="Read 1 of 3")
    for number in (1, 2, 3):
        expect(page.locator("[data-place]")).to_have_text(f"Read {number} of 3")
        images(page)
        words = page.locator("body").inner_text() + viewer(page).locator("body").inner_text()
        assert not re.search(r"expert|novice|\bAI\b|liver-transplant|Linden", words, re.IGNORECASE)
        answer(page)
        if number == 1:
            shot(page, pictures, "study-lts-read")
        submit(page)
    assert {"ai", "expert", "novice"} == {row["arm"] for row in exported(as_("governance"), LIVER)}
    report(as_("governance"), LIVER, pictures, says="Quality of the parts, AI against expert")


def test_a_glioma_is_read_twice_corrected_and_decided_by_an_adjudicator(
    as_: As, pictures: Path, record_property: Callable[[str, object], None]
) -> None:
    qc = as_("qc")
    accept(qc, GLIOMA, case=1)
    reject(qc, GLIOMA, case=2)
    for name, said in (("reader1", "progression"), ("reader2", "stable")):
        page = begin(as_(name), GLIOMA, what="Read 1 of 2")
        images(page)
        expect(page.locator("[data-correct]")).to_have_count(0)
        answer(page, response=said)
        submit(page)
        expect(page.locator("[data-place]")).to_have_text("Read 2 of 2")
        images(page)
        if name == "reader1":
            record_property("seconds from saving a mask to its volumes on the page", correct(page))
            shot(page, pictures, "study-bts-corrected")
        answer(page, response=said)
        submit(page)
    judge = as_("adjudicator")
    begin(judge, GLIOMA, what="Read 1 of")
    expect(judge.get_by_text("Decide: Brain tumour follow-up")).to_be_visible()
    answer(judge, response="stable")
    shot(judge, pictures, "study-bts-decided")
    submit(judge)
    rows = exported(as_("governance"), GLIOMA)
    responses = {(row["read_kind"], row["answer"]) for row in rows if row["question"] == "response"}
    assert {("read", "progression"), ("read", "stable"), ("adjudication", "stable")} <= responses
    report(as_("governance"), GLIOMA, pictures, says="Agreement with the tumour board, aided against unaided")


def test_hips_are_read_held_against_the_truth_and_unblinded_by_the_lock(as_: As, pictures: Path) -> None:
    aided = 0
    for name in ("reader1", "reader2"):  # one of them begins with the AI's findings
        page = begin(as_(name), HIP, what="Read 1 of 4")
        images(page)
        expect(viewer(page).get_by_text("Left hip frog-leg")).to_be_visible(timeout=IMAGES_MS)
        if viewer(page).get_by_text(re.compile("^Finding ")).count():
            aided += 1
            expect(viewer(page).locator("svg text", has_text="Normal").first).to_be_visible(timeout=IMAGES_MS)
        answer(page)
        expect(page.locator("[data-save-measurements]")).to_be_hidden()
        shot(page, pictures, f"study-hfd-read-{name}")
        submit(page)
    assert aided == 1
    coordinator = as_("coordinator")
    assert is_kept_from(coordinator, HIP)
    set_truth(coordinator, HIP, column="state", truth={"DEMO-X1": "fracture", "DEMO-X2": "normal"})
    assert is_kept_from(coordinator, HIP)
    report(as_("governance"), HIP, pictures, says="Sensitivity for a fracture, aided against unaided")
    coordinator.goto(address(coordinator, HIP, "protocol/"))
    coordinator.locator("summary", has_text="Lock").click()
    coordinator.get_by_label("Why").fill("Every case that was planned is read.")
    coordinator.get_by_role("button", name="Lock now").click()
    expect(coordinator.get_by_text("The study is locked.")).to_be_visible()
    assert not is_kept_from(coordinator, HIP)
    assert is_kept_from(as_("reader1"), HIP)


def is_kept_from(page: Page, study: str) -> bool:
    """Whether the person may not see what came of the study now."""
    response = page.request.get(address(page, study, "results/"))
    assert response.status in (200, 403, 404)
    return response.status != 200


def set_truth(page: Page, study: str, *, column: str, truth: dict[str, str]) -> None:
    """Upload a table of the truth by accession number, keep it and lock it."""
    page.goto(address(page, study, "truth/"))
    rows = "".join(f"{number},{value}\n" for number, value in truth.items())
    table = f"AccessionNumber,{column}\n{rows}".encode()
    page.set_input_files("#truth-file", {"name": "truth.csv", "mimeType": "text/csv", "buffer": table})
    page.get_by_role("button", name="Upload and look at it").click()
    page.get_by_role("button", name=f"Keep {len(truth)}").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Lock version 1").click()
    expect(page.get_by_text("Version 1 is locked")).to_be_visible()


def address(page: Page, study: str, what: str = "") -> str:
    origin = re.match(r"https?://[^/]+", page.url)
    assert origin is not None
    return f"{origin[0]}/studies/{study}/{what}"


def shot(page: Page, pictures: Path, name: str) -> None:
    for width in (1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        wait_for(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"), seconds=10, every=0.1)
        page.screenshot(path=pictures / f"{name}-{width}.png")


def accept(page: Page, study: str, *, case: int) -> None:
    turn_to(page, study, case)
    page.wait_for_timeout(LOOK_MS)
    page.keyboard.press("a")
    expect(page.locator("[data-qc-said]")).to_contain_text(f"Case {case}")


def reject(page: Page, study: str, *, case: int) -> None:
    turn_to(page, study, case)
    page.wait_for_timeout(LOOK_MS)
    for key in ("r", "1", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-qc-said]")).to_contain_text(f"Case {case}")


def turn_to(page: Page, study: str, case: int) -> None:
    """The page of QC on that case, past others that wait."""
    page.goto(f"{address(page, study).split('/studies/')[0]}/qc/")
    title = page.locator("[data-qc-title]")

    def is_there() -> bool:
        shown = title.inner_text()
        if f"Case {case}\n{TITLES[study]}" in shown:
            return True
        page.wait_for_timeout(LOOK_MS)
        page.keyboard.press("n")
        expect(title).not_to_have_text(shown, use_inner_text=True)
        return False

    wait_for(is_there, seconds=ITSELF_MS / 1000, every=0)


def begin(page: Page, study: str, *, what: str) -> Page:
    """Open the person's next read of the study from My work, as soon as it is dealt."""
    link = page.get_by_role("link", name=re.compile(f"(Read|Go on) in {TITLES[study]}"))

    def is_dealt() -> bool:
        page.reload()
        return link.count() > 0

    wait_for(is_dealt, seconds=ITSELF_MS / 1000, every=1)
    link.click()
    expect(page.get_by_text(what).first).to_be_visible()
    expect(page.locator("[data-feedback-form] [name=claim]")).to_have_value(
        re.compile(r"[0-9a-f]{16}"), timeout=ITSELF_MS
    )
    return page


def viewer(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[data-viewer]")


def images(page: Page) -> None:
    """Wait until images are drawn, and those of the read before are gone."""
    expect(page.locator("[data-viewer-cover]")).to_be_hidden(timeout=IMAGES_MS)
    canvas = viewer(page).locator("canvas.cornerstone-canvas").first
    expect(canvas).to_be_visible(timeout=IMAGES_MS)
    wait_for(lambda: canvas.evaluate(BRIGHT) > DRAWN, seconds=IMAGES_MS / 1000)


def answer(page: Page, **chosen: str) -> None:
    """Answer all that is asked: as `chosen`, else normal where that is a choice, else the first, or the best mark."""
    asked = page.locator("[data-feedback-form] [data-field]:visible")
    place = 0
    while place < asked.count():  # an answer may bring up another question
        field = asked.nth(place)
        key = (field.get_attribute("data-path") or "").split(".")[-1]
        kind = field.get_attribute("data-type")
        if kind in ("single-choice", "scale"):
            wanted = field.locator(f"[value={chosen.get(key, 'normal')}]")
            fallback = field.locator("input").last if kind == "scale" else field.locator("input").first
            option = wanted if wanted.count() else fallback
            option.locator("xpath=ancestor::label").click()
        elif kind == "confidence":
            field.locator("input.form-control").fill("75")
        place += 1


def submit(page: Page) -> None:
    """Submit, and see that the page goes on."""
    claim = page.locator("[data-feedback-form] [name=claim]").input_value()
    page.locator("[data-submit]").click()
    still_there = page.locator(f"[data-feedback-form] [name=claim][value='{claim}']")
    expect(still_there).to_have_count(0, timeout=ITSELF_MS)


def correct(page: Page) -> float:
    """Paint a stroke beside the AI's lesion, save it, and see its volume; the seconds from the save to that."""
    page.locator("[data-correct]").click()
    expect(viewer(page).get_by_text("Lesion").first).to_be_visible(timeout=IMAGES_MS)
    images(page)
    viewer(page).locator("[data-cy=Brush-btn]").click()
    box = viewer(page).locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y + 10, steps=4)
    page.mouse.up()
    expect(page.locator("[data-says]")).to_have_text("Changed, not saved")
    began = time.monotonic()
    page.keyboard.press("Control+s")
    expect(page.locator(".correction-now")).to_be_visible(timeout=ITSELF_MS)
    return round(time.monotonic() - began, 1)


def exported(page: Page, study: str) -> list[dict[str, str]]:
    """The table of responses, as the board takes it out."""
    page.goto(address(page, study, "results/"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Export everything").click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        (name,) = (one for one in bundle.namelist() if one.endswith("responses.csv"))
        return list(csv.DictReader(io.StringIO(bundle.read(name).decode("utf-8-sig"))))


def report(page: Page, study: str, pictures: Path, *, says: str) -> None:
    """The page of results, and the typeset report."""
    page.goto(address(page, study, "results/"))
    expect(page.get_by_text(says).first).to_be_visible()
    shot(page, pictures, f"results-{study}")
    page.get_by_role("button", name=re.compile("Make .*report")).click()
    made = page.get_by_role("link", name=re.compile("Report of .*PDF"))
    expect(made).to_be_visible(timeout=ITSELF_MS)
    with page.expect_download() as download:
        made.click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(content) > 20_000
