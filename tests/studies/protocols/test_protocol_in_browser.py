"""A study set up from the pages alone, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from portal.access import Role
from studies.models import Membership, Study
from studies.protocols import protocol
from tests.browsers import sign_in
from tests.conftest import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, cast: Cast) -> Iterator[Page]:
    """The coordinator at the list of studies; anything that the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    sign_in(page, live_server.url, cast.coordinator, to="/studies/")
    yield page
    assert complaints == []
    context.close()


def saved(page: Page, section: str) -> None:
    expect(page.locator(f"#state-{section}")).to_have_text("Saved", timeout=15_000)


def begin(page: Page, template: str, pictures: Path | None = None) -> None:
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Title", exact=True).fill("Hip fractures at night")
    page.get_by_label("AE title").fill("NIGHT")
    page.check(f"[name=start][value={template}]")
    if pictures is not None:
        picture(page, pictures, "study-new", full_page=True)
    page.get_by_role("button", name="Begin the study").click()
    page.wait_for_url("**/studies/hip-fractures-at-night/protocol/")


def test_a_study_is_set_up_from_a_template_piloted_and_amended(page: Page, cast: Cast, pictures: Path) -> None:
    begin(page, "hfd", pictures)
    study = Study.objects.get(slug="hip-fractures-at-night")
    page.get_by_label("IRB number").fill("21-34567")
    saved(page, "about")
    picture(page, pictures, "protocol")
    expect(page.locator("#checklist")).to_contain_text('No reader has the role "Resident"')
    Membership.objects.create(study=study, user=cast.reader, role=Role.READER, reader_role="resident")
    page.get_by_role("button", name="Add criterion").click()
    expect(page.locator("[name='criteria.3.name']")).to_be_focused()
    page.keyboard.type("Sent at night")
    expect(page.locator("#state-arrival")).to_contain_text("Not saved")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type('calling_ae == "NIGHT"')
    saved(page, "arrival")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("[name='criteria.2.name']")).to_have_value("Sent at night")
    page.get_by_label("Design", exact=True).select_option("independent")
    expect(page.get_by_label("Readers for each case")).to_have_value("0")
    expect(page.locator("#design-preview .lane")).to_have_count(3)
    page.get_by_role("button", name="Try on past exams").click()
    expect(page.locator("#preview-sum")).to_contain_text("0 of 0")
    page.reload()
    page.locator("summary", has_text="Start the pilot").click()
    page.get_by_role("button", name="Start the pilot now").click()
    expect(page.get_by_text("The pilot has started.")).to_be_visible()
    expect(page.locator(".section-form")).to_have_count(0)
    page.get_by_label("Why the protocol changes").fill("The night shift has two scanners.")
    page.get_by_role("button", name="Amend").click()
    page.get_by_label("Quiet period").fill("90")
    saved(page, "arrival")
    page.get_by_role("link", name="Versions").click()
    expect(page.locator(".changes tbody tr")).to_have_text(["Arrival: quiet period 30 s 90 s"])
    picture(page, pictures, "protocol-versions")
    written = [one.content for one in study.protocols.order_by("number")]
    assert [one.name for one in written[0].criteria][2] == "Sent at night"
    assert [one.arrival.quiet_seconds for one in written] == [30, 90]
    assert protocol.current(study).number == 1


def test_two_who_write_the_same_section_do_not_write_over_each_other(page: Page, cast: Cast) -> None:
    begin(page, "standalone")
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_label("Sponsor").fill("Theirs")
    saved(other, "about")
    page.get_by_label("Sponsor").fill("Mine")
    expect(page.locator("#state-about")).to_contain_text("Somebody changed this section meanwhile")
    version = Study.objects.get(slug="hip-fractures-at-night").protocols.get()
    assert version.content.sponsor == "Theirs"


def picture(page: Page, pictures: Path, name: str, *, full_page: bool = False) -> None:
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=pictures / f"{name}-{width}.png", full_page=full_page)
    page.set_viewport_size({"width": 1440, "height": 900})
