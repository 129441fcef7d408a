"""A reader at work in a real browser: keys alone, autosave, two windows, a session that ends, images that come."""

from __future__ import annotations

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Exam
from feedback.models import Response
from portal.access import Role
from portal.models import User
from studies.models import Case, Read, ReadReport, Study
from studies.reading import assignment
from tests.browsers import look, sign_in
from tests.conftest import PASSWORD
from tests.inference.received import receive
from tests.protocols import case_of
from tests.studies.blinding.makers import LIVER, box, scan, sent, vendors
from tests.studies.reading.browsing import VIEWER_SCRIPTS, claimed, start
from tests.studies.reading.reading import ONE_SITTING, Bench, bench

VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', ({ effectiveDirective, target, sourceFile, lineNumber }) =>
  violations.push([effectiveDirective, target?.outerHTML?.slice(0, 200), sourceFile, lineNumber]));
"""
pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_three_reads_are_done_with_the_keyboard_alone(page: Page, reader: User) -> None:
    page.keyboard.press("n")
    for number in (1, 2, 3):
        claimed(page)
        expect(page.get_by_text(f"Read {number} of 3")).to_be_visible()
        for key in ("4", "a", "Control+Enter"):
            page.keyboard.press(key)
        expect(page.get_by_text(f"Read {number} of 3")).to_be_hidden()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    assert Read.objects.filter(reader=reader, state=Read.State.SUBMITTED).count() == 3
    assert {kept.answers["quality"] for kept in Response.objects.all()} == {4}


def test_the_next_reads_page_is_fetched_when_this_ones_images_are_there_and_no_sooner(page: Page) -> None:
    start(page)
    claimed(page)
    ahead = page.locator("link[rel=prefetch]")
    expect(ahead).to_have_count(0)
    page.locator("[data-viewer]").evaluate("""frame => {
      const said = { data: { overread: 'shown', address: frame.src }, origin: location.origin };
      window.dispatchEvent(new MessageEvent('message', { ...said, source: frame.contentWindow }));
    }""")
    expect(ahead).to_have_attribute("href", re.compile("^/reads/"))


def test_what_is_entered_is_saved_by_itself_and_comes_back_elsewhere(page: Page, reader: User) -> None:
    start(page)
    page.keyboard.press("4")
    page.locator("textarea").fill("Dura included")
    expect(page.locator("[data-save-state]")).to_contain_text("Saved")
    assert Read.objects.exclude(opened_at=None).get().draft["comment"] == "Dura included"
    page.reload()  # and nothing asks whether to leave
    expect(page.locator("textarea")).to_have_value("Dura included")
    expect(page.locator("[name=answer-quality]:checked")).to_have_value("4")


def test_the_first_of_two_windows_is_told_and_can_take_over(page: Page, context: BrowserContext) -> None:
    start(page)
    other = context.new_page()
    other.route(VIEWER_SCRIPTS, lambda route: route.abort())
    other.goto(page.url)
    claimed(other)
    page.locator("textarea").fill("From the first window")
    expect(page.locator("[data-problem]")).to_contain_text("another window")
    page.get_by_role("button", name="Continue here").click()
    expect(page.locator("[data-save-state]")).to_contain_text("Saved")
    expect(page.locator("[data-problem]")).to_be_hidden()
    for key in ("2", "r", "Control+Enter"):
        other.keyboard.press(key)
    expect(other.locator("[data-problem]")).to_contain_text("another window")
    expect(other.locator("[name=answer-quality]:checked")).to_have_value("2")
    assert not Response.objects.exists()


def test_a_lost_session_costs_no_answer(page: Page) -> None:
    start(page)
    Session.objects.all().delete()
    page.keyboard.press("4")
    page.locator("textarea").fill("Dura included")
    ended = page.locator("[data-session-ended]")
    expect(ended).to_be_visible()
    ended.locator("[name=password]").fill(PASSWORD)
    ended.locator("[name=password]").press("Enter")
    expect(ended).to_be_hidden()
    expect(page.locator("[data-save-state]")).to_contain_text("Saved", timeout=20_000)
    page.locator("label", has_text="Accept").first.click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Read 2 of 3")).to_be_visible()
    assert Response.objects.get().answers["comment"] == "Dura included"


def test_a_connection_that_breaks_while_saving_loses_nothing(page: Page, context: BrowserContext) -> None:
    start(page)
    context.set_offline(True)
    page.keyboard.press("4")
    expect(page.locator("[data-save-state]")).to_contain_text("cannot be reached")
    context.set_offline(False)
    expect(page.locator("[data-save-state]")).to_contain_text("Saved", timeout=20_000)


def test_the_page_breaks_no_content_security_policy(page: Page) -> None:
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: blocked.append(str(error)))
    start(page)
    page.keyboard.press("4")
    expect(page.locator("[data-save-state]")).to_contain_text("Saved")
    assert blocked == []


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_the_whole_form_is_in_sight_without_scrolling(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    look(page, f"home-{width}")
    start(page)
    look(page, f"read-{width}")
    expect(page.locator("[data-submit]")).to_be_in_viewport()
    assert page.evaluate("document.scrollingElement.scrollHeight") <= height
    assert page.locator("#feedback").evaluate("e => e.scrollHeight <= e.clientHeight")


def test_the_images_come_with_the_read_and_the_aided_one_follows(
    context: BrowserContext, live_server: LiveServer
) -> None:
    one = bench(
        ONE_SITTING | {"aid": "novice"}, slug="seen", blinding={"readers": "blinded", "patient": "pseudonymised"}
    )
    reader = one.reader("sees")
    reader.set_password(PASSWORD)
    reader.save()
    case_with_images(one.study)
    assignment.assign()
    page = context.new_page()
    page.add_init_script(VIOLATIONS)
    sign_in(page, live_server.url, reader)
    start(page)
    page.frame_locator("[data-viewer]").locator("canvas").first.wait_for(timeout=60_000)
    look(page, "read-unaided")
    first = page.url
    draw(page, "length", (-40, -40), (40, 40))
    page.get_by_role("button", name="Save measurements").click()
    expect(page.get_by_text("1 measurement saved")).to_be_visible(timeout=60_000)
    draw(page, "length", (-40, 40), (40, -40))
    expect(page.get_by_role("button", name="Save measurements")).to_be_visible()
    look(page, "read-measured")
    viewer = page.locator("[data-viewer]").element_handle()
    page.locator("[data-viewer]").evaluate("frame => { frame.contentWindow.isKept = true; }")
    for key in ("4", "a", "Control+Enter"):
        page.locator("body").press(key)
    page.wait_for_url(lambda address: address != first)
    assert [len(kept.measurements) for kept in ReadReport.objects.all()] == [2, 1], "submitting saves what is not saved"
    expect(page.get_by_text("measurement saved")).to_be_hidden()
    expect(page.get_by_text("What you said before, locked")).to_be_visible()
    claimed(page)
    expect(page.get_by_text("Read 2 of 2")).to_be_visible()
    expect(page).to_have_title(re.compile("Read 2 of 2"))
    expect(page.locator("[data-viewer-cover]")).to_be_hidden(timeout=60_000)
    assert viewer is not None
    shown = viewer.evaluate("frame => [frame.contentWindow.isKept, frame.contentWindow.location.search]")
    second = page.url.removesuffix("/").rpartition("/")[2]
    assert shown[0] is True, "the viewer was loaded anew"
    assert f"dicomweb=/reads/{second}/dicomweb" in shown[1]
    assert page.evaluate("violations") == []
    page.go_back()
    expect(page.get_by_text("Your answer is saved")).to_be_visible()
    page.go_forward()
    claimed(page)
    expect(page.get_by_text("Read 2 of 2")).to_be_visible()
    look(page, "read-aided")


def draw(page: Page, shape: str, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Draw in the viewer, in pixels from the middle of its picture."""
    page.locator("[data-viewer]").evaluate(
        "(frame, shape) => frame.contentWindow.postMessage({ overread: 'draw', drawings: [shape] }, location.origin)",
        shape,
    )
    box = page.frame_locator("[data-viewer]").locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.wait_for_timeout(300)  # for the tool to be taken up, which the viewer tells nobody
    page.mouse.move(x + start[0], y + start[1])
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.move(x + end[0], y + end[1], steps=4)
    page.mouse.up()


def case_with_images(study: Study) -> Case:
    """An enrolled case with a few images, on which a novice drew a mask."""
    images = scan(WindowCenter=400, WindowWidth=1000)
    receive(images, called_ae="ELSEWHERE")
    exam = Exam.objects.get(study_instance_uid=images[0].StudyInstanceUID)
    case = case_of(study, exam, number=1, state=Case.State.ENROLLED)
    case.findings.create(arm="novice", series=sent(vendors(images, {LIVER: box()}, kind="BINARY")))
    return case


@pytest.mark.parametrize("width", [1440, 1024])
def test_a_coordinator_sees_how_far_readers_are_and_reassigns(
    context: BrowserContext, live_server: LiveServer, one: Bench, reader: User, width: int
) -> None:
    boss = one.reader("boss", Role.COORDINATOR)
    boss.set_password(PASSWORD)
    boss.save()
    late = one.reader("late")
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, live_server.url, boss)
    page.goto(f"{live_server.url}/studies/{one.study.slug}/reads/")
    look(page, f"reads-{width}")
    expect(page.get_by_text("lacks 3 earlier cases")).to_be_visible()
    page.get_by_role("link", name="first").click()
    page.get_by_label("Choose read 2").check()
    page.get_by_label("Why").fill("On leave")
    page.locator("select[name=to]").select_option("late")
    look(page, f"reader-{width}")
    page.get_by_role("button", name="Withdraw or reassign").click()
    expect(page.get_by_text("1 read given to late.")).to_be_visible()
    assert Read.objects.get(reader=late).state == Read.State.ASSIGNED
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
