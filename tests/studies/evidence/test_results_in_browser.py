"""The page of results in a real browser: charts beside tables, the export, and a report that is made meanwhile."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from inference.writers import printing
from studies.cases.flow import line_of
from studies.evidence import measures, reports
from studies.evidence.scope import Scope
from studies.evidence.shape import Evidence
from tests.browsers import look, sign_in
from tests.conftest import PASSWORD
from tests.studies.evidence.evidence import governance_of, read_study
from tests.studies.evidence.numbers import evidence
from tests.studies.reading.reading import Bench

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A study that was read, with numbers of every kind, more than two cases could give."""

    def of(scope: Scope) -> Evidence:
        return evidence(line_of(scope.study).real)

    monkeypatch.setattr(measures, "of", of)
    return read_study()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser had to complain about; there may be nothing at the test's end."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, one: Bench, complaints: list[str]) -> Iterator[Page]:
    """A member of the board on the study's page of results."""
    board = governance_of(one)
    board.set_password(PASSWORD)
    board.save()
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    opened = context.new_page()

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    opened.on("console", listen)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(opened, live_server.url, board, to=f"/studies/{one.study.slug}/results/")
    yield opened
    context.close()


def test_a_board_member_reads_the_numbers_takes_them_out_and_has_a_report_made(
    page: Page, one: Bench, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(page.get_by_role("link", name="Results", exact=True)).to_have_attribute("aria-current", "page")
    _every_chart_is_drawn(page)
    expect(page.get_by_role("heading", name="Lesions found Primary")).to_be_visible()
    expect(page.get_by_text("No case was read by two readers yet.")).to_be_visible()
    for width in (1440, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        look(page, f"results-{width}")
        page.screenshot(path=pictures / f"results-{width}.png")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export everything (CSV)").press("Enter")
    waiting.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert {"README.txt", "responses.csv", "dictionary.csv"} <= set(archive.namelist())
    monkeypatch.setattr(printing, "printer", _printer)
    page.get_by_role("button", name="Make the report (PDF)").press("Enter")
    expect(page.get_by_text("You may leave this page.")).to_be_visible()
    assert reports.make_waiting() == 1
    made = page.get_by_role("link", name="Report of 20")
    expect(made).to_be_visible()
    with page.expect_download() as waiting:
        made.click()
    assert waiting.value.suggested_filename.startswith("glioma-real-")


def _every_chart_is_drawn(page: Page) -> None:
    charts = page.locator("[data-results-chart]")
    expect(charts.first.locator("canvas")).to_be_visible()
    for at in range(charts.count()):
        canvas = charts.nth(at).locator("canvas")
        expect(canvas).to_have_count(1)
        box = canvas.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 80
    assert charts.count() == 6


def _printer() -> Callable[..., Any]:
    class Printer:
        def __init__(self, *, string: str) -> None:
            self.string = string

        def write_pdf(self) -> bytes:
            return b"%PDF-" + self.string[:20].encode()

    return Printer
