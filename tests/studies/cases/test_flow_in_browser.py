"""A study's flow, cases and truth in a real browser: what leads where, by mouse and by keyboard, and what fits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from dicom_ingest.models import Exam
from feedback.forms import example
from inference.models import Job
from portal.access import Role
from portal.models import User
from studies.cases import case_flow, case_tables, outside_tables, qc, truth
from studies.models import Case, Membership, MissedExam, QCReview, Read, Screening, Study
from tests.browsers import sign_in
from tests.conftest import PASSWORD, Cast
from tests.studies.cases.flowing import PIPELINE_ARM, case_for, exam_for, job_of, study_with_ai

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

TABLE = {"key": "vendor", "label": "Vendor AI", "findings": {"kind": "table", "columns": ["Volume", "Grade"]}}
DOCUMENT: dict[str, Any] = {
    "title": "Glioma follow-up",
    "arms": [PIPELINE_ARM, TABLE],
    "quality_control": {"required": True, "reviewers": 2, "reasons": ["Motion or artefact", "Wrong series"]},
    "reference": {"source": "import", "answers": ["class"], "description": "Histology, or two years of follow-up."},
    "design": {"kind": "independent", "arms": ["ai"], "form": "segmentation-quality"},
    "forms": [example("segmentation-quality").model_dump(mode="json")],
}


@pytest.fixture
def glioma(cast: Cast) -> Study:
    """A study with exams in every box of its flow."""
    study = study_with_ai(**DOCUMENT)
    Membership.objects.create(study=study, user=cast.coordinator, role=Role.COORDINATOR)
    Membership.objects.create(study=study, user=cast.qc, role=Role.QC_REVIEWER)
    for number in range(1, 13):
        _case(study, number, cast)
    for number, criterion in enumerate(("Age at least 18", "Has a FLAIR", "Age at least 18"), start=13):
        _kept_out(study, number, Screening.Outcome.EXCLUDED, criterion)
    _kept_out(study, 16, Screening.Outcome.UNDECIDED, "Slices of at most 2 mm")
    MissedExam.objects.create(study=study, exam=_exam(study, 17), stage="draft", came_at="2024-01-01T00:00Z")
    table = case_tables.upload(
        study, arm="vendor", name="vendor.csv", content=b"Accession,Volume,Grade\nACC102,12.5,II\n", by=cast.coordinator
    )
    [arm] = outside_tables.arms_of(study.protocols.get().content)
    outside_tables.keep(table, arm.findings, by=cast.coordinator)  # type: ignore[arg-type]
    return study


def _about(number: int) -> dict[str, str]:
    return {
        "accession_number": f"ACC{100 + number}",
        "patient_name": f"Demo^Patient {number}",
        "study_description": "MR brain follow-up",
        "study_date": f"2024-03-{number:02}",
    }


def _exam(study: Study, number: int) -> Exam:
    exam = exam_for(study, **_about(number))
    exam.routes.all().delete()
    return exam


def _kept_out(study: Study, number: int, outcome: Screening.Outcome, criterion: str) -> None:
    Screening.objects.create(
        study=study,
        exam=_exam(study, number),
        protocol=study.protocols.get(),
        outcome=outcome,
        criterion=criterion,
        reason='Series 1 "AX FLAIR": the series lacks SliceThickness',
        verdicts=[
            {
                "criterion": criterion,
                "kind": "include",
                "said": "cannot be decided",
                "explanation": "the series lacks SliceThickness",
            }
        ],
    )


def _case(study: Study, number: int, cast: Cast) -> None:
    case = case_for(study, **_about(number))
    state = {1: Job.State.RUNNING, 2: Job.State.FAILED}.get(number, Job.State.SUCCEEDED)
    job_of(case, state, reason="Slices 41 and 42 lie at the same position (z = 12.5 mm)." if number == 2 else "")
    case_flow.advance()
    if number in (1, 2, 3):
        return
    verdict = QCReview.Verdict.REJECT if number == 4 else QCReview.Verdict.ACCEPT
    case = Case.objects.get(pk=case.pk)
    qc.review(case, verdict, by=cast.qc, reason="Motion or artefact")
    if number == 5:
        qc.review(case, QCReview.Verdict.REJECT, by=cast.admin, reason="Wrong series", note="The T1 was taken")
        return
    qc.review(case, verdict, by=cast.admin, reason="Motion or artefact")
    if number > 6:
        _reads(case, cast, done=number > 9)


def _reads(case: Case, cast: Cast, *, done: bool) -> None:
    form = cast.reader.memberships.get().study.form
    assert form is not None
    for reader in (cast.reader, cast.other_reader):
        first = reader == cast.reader and case.number == 9
        Read.objects.create(
            study=case.study,
            case=case,
            reader=reader,
            arms=["ai"],
            condition="ai",
            form=form,
            protocol=case.protocol,
            position=case.number,
            state=Read.State.SUBMITTED if done or first else Read.State.ASSIGNED,
        )


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, cast: Cast, glioma: Study) -> Iterator[Page]:
    """The coordinator on the study's page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sign_in(page, live_server.url, cast.coordinator)
    page.goto(f"{live_server.url}/studies/glioma/")
    yield page
    context.close()


def picture(page: Page, pictures: Path, name: str) -> None:
    """As it is at both widths. No page may be wider than its window."""
    for width in (1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=pictures / f"{name}-{width}.png", full_page=True)


def test_from_the_diagram_to_a_case_its_check_and_back(page: Page, pictures: Path) -> None:
    picture(page, pictures, "study-overview")
    page.get_by_role("navigation", name="Study").get_by_role("link", name="Flow").click()
    expect(page.get_by_role("heading", name="1 exam came while the study took none")).to_be_visible()
    picture(page, pictures, "study-flow")
    page.get_by_role("link", name="1 Failed").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Failed, 1")).to_be_visible()
    picture(page, pictures, "study-cases-failed")
    page.get_by_role("link", name="2", exact=True).click()
    expect(page.get_by_text("Slices 41 and 42 lie at the same position").first).to_be_visible()
    picture(page, pictures, "study-case-failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The case's pipelines are asked for again.")).to_be_visible()


def test_the_list_is_narrowed_and_an_undecided_exam_decided(page: Page, pictures: Path) -> None:
    page.get_by_role("navigation", name="Study").get_by_role("link", name="Cases").click()
    expect(page.get_by_role("heading", name="Matched, 12")).to_be_visible()
    picture(page, pictures, "study-cases")
    page.get_by_label("Where in the flow").select_option("undecided")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="MR brain follow-up").click()
    expect(page.get_by_role("heading", name="Decide by hand")).to_be_visible()
    picture(page, pictures, "study-undecided")
    page.get_by_label("Why it enters, or does not").fill("1 mm, says the scanner's protocol")
    page.get_by_role("button", name="It enters").click()
    expect(page.get_by_role("heading", name="Case 13")).to_be_visible()


def test_a_reviewer_settles_a_dispute_with_a_key(
    page: Page, pictures: Path, cast: Cast, glioma: Study, live_server: LiveServer
) -> None:
    third = User.objects.create_user("qc3", password=PASSWORD)
    Membership.objects.create(study=glioma, user=third, role=Role.QC_REVIEWER)
    page.context.clear_cookies()
    sign_in(page, live_server.url, third)
    page.goto(f"{live_server.url}/studies/glioma/cases/5/")
    expect(page.get_by_text("The reviewers disagree")).to_be_visible()
    picture(page, pictures, "study-case-qc")
    page.keyboard.press("a")
    expect(page.get_by_text("Your verdict on case 5 is kept.")).to_be_visible()
    assert Case.objects.get(study=glioma, number=5).state == Case.State.ENROLLED


def test_outside_results_and_truth_are_looked_at_before_they_are_kept(page: Page, pictures: Path) -> None:
    page.get_by_role("navigation", name="Study").get_by_role("link", name="Cases").click()
    page.get_by_role("link", name="Outside results").click()
    expect(page.get_by_role("heading", name="Vendor AI")).to_be_visible()
    picture(page, pictures, "study-outside-results")
    rows = "Accession;Volume;Grade\nACC106;14,2;III\nACC999;1;I\nACC107;3,3;II\nACC107;9;I\nACC108;;II\n"
    page.get_by_label(re.compile("A CSV file")).set_input_files(
        {"name": "vendor-march.csv", "mimeType": "text/csv", "buffer": rows.encode("utf-16")}
    )
    page.get_by_role("button", name="Upload and look at it").click()
    expect(page.get_by_text("No case of this study has AccessionNumber ACC999.")).to_be_visible()
    picture(page, pictures, "study-table")
    page.get_by_role("button", name="Keep 1").click()
    expect(page.get_by_text("1 findings of Vendor AI were kept.")).to_be_visible()
    page.get_by_role("navigation", name="Study").get_by_role("link", name="Truth").click()
    page.get_by_label(re.compile("A CSV file")).set_input_files(
        {"name": "histology.csv", "mimeType": "text/csv", "buffer": b"Case,class\n10,glioma\n11,none\n12,glioma\n"}
    )
    page.get_by_role("button", name="Upload and look at it").click()
    page.get_by_role("button", name="Keep 3").click()
    expect(page.get_by_text("The table is in version 1 of the truth.")).to_be_visible()
    picture(page, pictures, "study-truth")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Lock version 1").click()
    expect(page.get_by_text("Version 1 is locked. Nobody changes it any more.")).to_be_visible()
    page.get_by_role("link", name="10", exact=True).click()
    expect(page.get_by_role("heading", name="Case 10")).to_be_visible()
    picture(page, pictures, "study-case")
    assert truth.counting().get().number == 1
