"""UCSF's three studies, each set up by a new coordinator from the pages alone, as docs/coordinators.md says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Exam
from inference.registration import register_pipelines
from portal.models import User
from studies.models import Membership, Study, TruthVersion
from studies.protocols import protocol
from tests.browsers import sign_in
from tests.conftest import Cast
from tests.protocols import case_of

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the coordinator writes: `people` with role and kind of reader, `truth` as a table's one column and cell."""

    template: str
    title: str
    ae_title: str
    rule: str
    people: dict[str, tuple[str, str]]
    truth: tuple[str, str] = ("", "")
    form: str = ""
    arms: tuple[str, ...] = field(default=("ai",))

    @property
    def slug(self) -> str:
        return self.title.lower().replace(" ", "-")


WANTED = (
    Wanted(
        template="bts",
        title="Brain tumours",
        ae_title="BTSTUDY",
        rule='!has(series.ProtocolName) || series.ProtocolName != "PHANTOM"',
        people={
            "first": ("Reader", "Neuroradiologist"),
            "second": ("Reader", "Neuroradiologist"),
            "checker": ("QC reviewer", ""),
            "judge": ("Adjudicator", ""),
        },
        form="Brain tumour follow-up",
        truth=("response", "stable"),
    ),
    Wanted(
        template="lts",
        title="Liver donors",
        ae_title="LTSTUDY",
        rule="series.NumberOfSeriesRelatedInstances >= 30",
        people={
            "first": ("Reader", "Transplant radiologist who scores"),
            "expert": ("Annotator", "Expert who draws"),
            "novice": ("Annotator", "Novice who draws"),
            "checker": ("QC reviewer", ""),
        },
        form="Liver before living donation",
        arms=("ai", "expert", "novice"),
    ),
    Wanted(
        template="hfd",
        title="Broken hips",
        ae_title="HFSTUDY",
        rule='called_ae == "HFSTUDY"',
        people={"first": ("Reader", "Resident"), "second": ("Reader", "Resident")},
        form="Hip fracture",
        truth=("state", "fracture"),
    ),
)


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.template)
def test_a_new_coordinator_sets_up_the_study_from_the_pages_alone(
    browser: Browser, live_server: LiveServer, cast: Cast, pictures: Path, wanted: Wanted
) -> None:
    register_pipelines()
    page = signed_in(browser, live_server, cast.coordinator)
    begin(page, live_server, wanted)
    write(page, wanted)
    for name, (role, kind) in wanted.people.items():
        link = invite(page, live_server, wanted, name=name, role=role, kind=kind)
        accept(browser, live_server, link, name=name)
    activate(page, live_server, wanted, pictures)
    study = Study.objects.get(slug=wanted.slug)
    assert study.stage == Study.Stage.ACTIVE
    content = protocol.current(study).content
    assert [arm.key for arm in content.arms] == list(wanted.arms)
    assert all(one.digest for one in content.pipelines)
    assert content.criteria[-1].when == wanted.rule
    assert {one.user.username for one in Membership.objects.in_force().filter(study=study)} == {
        *wanted.people,
        "coordinator",
    }
    if any(wanted.truth):
        set_truth(page, live_server, wanted, study)
        assert TruthVersion.objects.get(study=study).is_locked
    page.context.close()


def signed_in(browser: Browser, live_server: LiveServer, user: User) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    sign_in(page, live_server.url, user, to="/studies/")
    return page


def begin(page: Page, live_server: LiveServer, wanted: Wanted) -> None:
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Title", exact=True).fill(wanted.title)
    page.get_by_label("AE title").fill(wanted.ae_title)
    page.check(f"[name=start][value={wanted.template}]")
    page.get_by_role("button", name="Begin the study").click()
    page.wait_for_url(f"{live_server.url}/studies/{wanted.slug}/protocol/")


def write(page: Page, wanted: Wanted) -> None:
    """What the template leaves open, and a rule of the study's own; arms and form are those of the template."""
    page.get_by_label("IRB number").fill("26-00001")
    saved(page, "about")
    place = page.locator("[name^='criteria.'][name$='.name']").count()
    page.get_by_role("button", name="Add criterion").click()
    page.locator(f"[name='criteria.{place}.name']").fill("Rule of this study")
    page.locator(f"[name='criteria.{place}.when']").fill(wanted.rule)
    saved(page, "arrival")
    page.get_by_role("button", name="Try on past exams").click()
    expect(page.locator("#preview-sum")).to_contain_text("0 of 0")
    expect(page.locator(".form-line .row-title", has_text=wanted.form)).to_have_count(1)


def saved(page: Page, section: str) -> None:
    expect(page.locator(f"#state-{section}")).to_have_text("Saved", timeout=15_000)


def invite(page: Page, live_server: LiveServer, wanted: Wanted, *, name: str, role: str, kind: str) -> str:
    """The link that the coordinator hands to somebody who has no account yet."""
    page.goto(f"{live_server.url}/studies/{wanted.slug}/members/")
    form = page.locator("form.member-form").filter(has=page.get_by_role("button", name="Invite"))
    form.get_by_label("E-mail address or user name").fill(f"{name}@hospital.example")
    form.get_by_label("Role").select_option(label=role)
    if kind:
        form.get_by_label("Kind of reader").select_option(label=kind)
    form.get_by_role("button", name="Invite").click()
    return page.get_by_label("Link of the invitation").input_value()


def accept(browser: Browser, live_server: LiveServer, link: str, *, name: str) -> None:
    """The invited person makes an account of that name."""
    page = browser.new_context().new_page()
    page.goto(link.replace("http://testserver", live_server.url))
    page.get_by_label("User name").fill(name)
    page.get_by_label("First name").fill(name.title())
    page.get_by_label("Last name").fill("Invited")
    page.get_by_label("Password", exact=True).fill("a-password-of-my-own")
    page.locator("[name=password2]").fill("a-password-of-my-own")
    page.get_by_role("button", name="Make the account and open the study").click()
    expect(page.get_by_role("button", name="Make the account")).to_have_count(0)
    page.context.close()


def activate(page: Page, live_server: LiveServer, wanted: Wanted, pictures: Path) -> None:
    page.goto(f"{live_server.url}/studies/{wanted.slug}/protocol/")
    page.locator("summary", has_text="Activate").click()
    page.screenshot(path=pictures / f"study-{wanted.template}-1440.png")
    page.get_by_role("button", name="Activate now").click()
    expect(page.locator("h1 .stage")).to_have_text("Active")


def set_truth(page: Page, live_server: LiveServer, wanted: Wanted, study: Study) -> None:
    """A table of the truth of one case, looked at, kept and locked."""
    exam = Exam.objects.create(study_instance_uid="1.2.3.4", accession_number="ACC-7", patient_id="P7")
    case_of(study, exam, number=1)
    page.goto(f"{live_server.url}/studies/{wanted.slug}/truth/")
    column, cell = wanted.truth
    table = f"AccessionNumber,{column}\nACC-7,{cell}\n".encode()
    page.set_input_files("#truth-file", {"name": "truth.csv", "mimeType": "text/csv", "buffer": table})
    page.get_by_role("button", name="Upload and look at it").click()
    page.get_by_role("button", name="Keep 1").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Lock version 1").click()
    expect(page.get_by_text("Version 1 is locked")).to_be_visible()
