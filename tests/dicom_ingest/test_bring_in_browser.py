"""The page on which exams are dropped, in a real browser."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pydicom import Dataset
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Exam, Instance
from tests.browsers import sign_in
from tests.conftest import Cast
from tests.dicom_ingest.scanner import as_file, mr_series

SENDING = "**/bring-in/files/*"

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, cast: Cast) -> Iterator[Page]:
    """The coordinator on the page; anything that the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    sign_in(page, live_server.url, cast.coordinator, to="/bring-in/")
    yield page
    assert complaints == []
    context.close()


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """Six slices in nested folders, a list of them, a letter, and an image that was cut short."""
    disc = tmp_path / "disc"
    written(mr_series(slices=6), disc / "A" / "B")
    (cut,) = mr_series(slices=1)
    as_file(cut, disc / "A" / "CUT")
    (disc / "A" / "CUT").write_bytes((disc / "A" / "CUT").read_bytes()[:-100])
    (disc / "DICOMDIR").write_bytes(b"a list")
    (disc / "letter.pdf").write_bytes(b"%PDF-1.7")
    return disc


def written(images: list[Dataset], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        as_file(image, folder / f"IM{number}")
    return folder


def zipped(folder: Path, path: Path, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def choose(page: Page, kind: str, path: Path) -> None:
    page.set_input_files(f"[data-choose={kind}]", path)


def drop(page: Page, path: Path) -> None:
    """Drop a folder or file from outside the browser, as a person's file manager does."""
    session = page.context.new_cdp_session(page)
    box = page.locator("[data-drop]").bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 40, "y": box["y"] + 40, "data": data})


def expect_done(page: Page, *counts: str) -> None:
    expect(page.locator("[data-said]")).to_have_text("Done", timeout=20_000)
    for count in counts:
        expect(page.locator("[data-fates]")).to_contain_text(count)


def test_a_folder_goes_in_with_a_result_for_each_file(page: Page, disc: Path) -> None:
    choose(page, "folder", disc)
    expect_done(page, "All 9", "New 6", "Refused 1", "Quarantined 1", "Left out 1")
    rows = page.locator("[data-rows] tr")
    expect(rows.first).to_contain_text("letter.pdf")
    expect(rows.first).to_contain_text("Not a DICOM file")
    expect(rows.nth(1)).to_contain_text("cut short")
    expect(page.locator("[data-figures]")).to_contain_text("9 of 9 files")
    expect(page.locator("[data-exams]")).to_contain_text("1 exam, complete after 1 s")
    assert Instance.objects.count() == 6
    page.get_by_role("link", name="New 6").click()
    expect(rows).to_have_count(6)


def test_a_dropped_folder_goes_in_and_dropped_again_it_is_skipped(page: Page, disc: Path) -> None:
    drop(page, disc)
    expect_done(page, "New 6")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/bring-in/files/" in request.url else None)
    drop(page, disc)
    expect_done(page, "Kept before 7", "Refused 1", "Left out 1")
    assert len(sent) == 1  # the letter
    page.uncheck("[data-skip]")
    drop(page, disc)
    expect_done(page, "Repeat 6")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_goes_in_as_its_folder_does(page: Page, disc: Path, tmp_path: Path, method: int) -> None:
    choose(page, "files", zipped(disc, tmp_path / "disc.zip", method=method))
    expect_done(page, "All 9", "New 6", "Refused 1", "Quarantined 1", "Left out 1")
    assert Instance.objects.count() == 6


def test_an_encrypted_zip_is_refused_in_words(page: Page, disc: Path, tmp_path: Path) -> None:
    archive = zipped(disc, tmp_path / "disc.zip")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    choose(page, "files", archive)
    expect_done(page, "All 1", "Refused 1")
    expect(page.locator("[data-rows]")).to_contain_text("The zip is encrypted. Unpack it with its password")
    assert not Exam.objects.exists()


def test_a_zip_that_lies_about_its_sizes_is_refused_where_it_lies(page: Page, disc: Path, tmp_path: Path) -> None:
    archive = zipped(disc / "A" / "B", tmp_path / "disc.zip")
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(content)
    choose(page, "files", archive)
    expect_done(page, "All 6", "New 5", "Refused 1")
    expect(page.locator("[data-rows]")).to_contain_text("It unpacks to more than the zip claims")


def test_damage_in_a_zip_concerns_one_file(page: Page, disc: Path, tmp_path: Path) -> None:
    archive = zipped(disc / "A" / "B", tmp_path / "disc.zip", method=zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[1000] ^= 0xFF
    archive.write_bytes(content)
    choose(page, "files", archive)
    expect_done(page, "All 6", "New 5", "Refused 1")
    expect(page.locator("[data-rows]")).to_contain_text("The zip is damaged here")


def test_a_zip64_goes_in(page: Page, disc: Path, tmp_path: Path) -> None:
    """As made for more than 65,535 files or 4 GiB: sizes and offsets stand in 64 bits."""
    path = tmp_path / "disc.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 1000)
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
        zipped(disc / "A" / "B", path)
    assert b"PK\x06\x06" in path.read_bytes()
    choose(page, "files", path)
    expect_done(page, "All 6", "New 6")


def test_a_large_file_that_is_no_image_is_refused_for_what_it_is(page: Page, tmp_path: Path) -> None:
    """The server knows after the first megabyte; the browser is told all the same."""
    film = tmp_path / "film.avi"
    film.write_bytes(bytes(40 << 20))
    choose(page, "files", film)
    expect_done(page, "Refused 1")
    expect(page.locator("[data-rows]")).to_contain_text("Not a DICOM file")


def test_a_database_that_is_away_for_a_moment_is_waited_for(page: Page, disc: Path) -> None:
    turned_down: list[str] = []

    def once(route: Route) -> None:
        if turned_down:
            return route.continue_()
        turned_down.append(route.request.url)
        return route.fulfill(status=503, json={"fate": "refused", "sentence": "Go on in a moment.", "exam": ""})

    page.route(SENDING, once)
    choose(page, "folder", disc)
    expect_done(page, "New 6")
    assert turned_down


def test_a_file_that_fails_holds_up_no_other_and_is_tried_again_on_request(page: Page, disc: Path) -> None:
    failed: list[str] = []

    def cut(route: Route) -> None:
        content = route.request.post_data_buffer or b""
        if len(failed) < 4 and b"%PDF" in content:
            failed.append("once more")
            return route.abort()
        return route.continue_()

    page.route(SENDING, cut)
    choose(page, "folder", disc)
    expect_done(page, "New 6", "Refused 1")
    expect(page.locator("[data-rows]")).to_contain_text("The server cannot be reached")
    page.get_by_role("button", name="Try the refused again").click()
    expect(page.locator("[data-rows]")).to_contain_text("Not a DICOM file", timeout=10_000)
    expect(page.locator("[data-figures]")).to_contain_text("9 of 9 files")


def test_a_full_disk_stops_it_with_the_reason_until_told_to_go_on(page: Page, disc: Path, store: Path) -> None:
    store.mkdir(exist_ok=True)
    (store / "spool").write_bytes(b"in the way")
    choose(page, "folder", disc)
    expect(page.locator("[data-trouble]")).to_contain_text("Have space freed, then go on", timeout=10_000)
    expect(page.locator("[data-said]")).to_have_text("Paused")
    (store / "spool").unlink()
    page.get_by_role("button", name="Go on").click()
    expect_done(page, "All 9", "New 6")
    expect(page.locator("[data-trouble]")).to_be_hidden()


def test_who_was_signed_out_is_told_and_goes_on_after_signing_in(page: Page, disc: Path, cast: Cast) -> None:
    page.context.clear_cookies(name="sessionid")
    choose(page, "folder", disc)
    expect(page.locator("[data-trouble]")).to_contain_text("You are signed out", timeout=10_000)
    other = page.context.new_page()
    sign_in(other, page.url.partition("/bring-in/")[0], cast.coordinator)
    page.get_by_role("button", name="Go on").click()
    expect_done(page, "New 6")


def wait_until_painted(page: Page) -> None:
    """Chromium drops keys that are pressed before a page's first frame is drawn."""
    page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def test_the_page_can_be_used_by_keyboard_alone(page: Page, disc: Path) -> None:
    page.on("filechooser", lambda _: None)  # heard of too late, Chromium would open its own dialog
    wait_until_painted(page)
    page.locator("[data-to]").focus()
    page.keyboard.press("Tab")
    expect(page.locator("[data-choose=folder]")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(disc)
    expect_done(page, "New 6")
