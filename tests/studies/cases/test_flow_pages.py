"""The flow, the cases, one case and the truth as pages: what they show, to whom, and in how many queries."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dicom_ingest.models import AETitle
from inference.models import Job
from portal.access import Role
from portal.models import User
from studies.cases import case_flow
from studies.cases.flow import FlowBox
from studies.models import ArmFinding, Case, Membership, MissedExam, QCReview, Screening, Study, TruthVersion
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.protocols import open_study
from tests.studies.cases.flowing import PIPELINE_ARM, case_for, exam_for, job_of, study_with_ai

pytestmark = pytest.mark.django_db

TABLE = {"key": "vendor", "label": "Vendor AI", "findings": {"kind": "table", "columns": ["Volume"]}}
CHECKED: dict[str, Any] = {"quality_control": {"required": True, "reasons": ["Motion"]}}


@pytest.fixture
def study(cast: Cast) -> Study:
    """A study whose members are the cast."""
    made = study_with_ai(**CHECKED, arms=[PIPELINE_ARM, TABLE], reference={"source": "import", "answers": ["class"]})
    for user, role in (
        (cast.coordinator, Role.COORDINATOR),
        (cast.qc, Role.QC_REVIEWER),
        (cast.governance, Role.GOVERNANCE),
        (cast.scientist, Role.DATA_SCIENTIST),
        (cast.reader, Role.READER),
    ):
        Membership.objects.create(study=made, user=user, role=role)
    return made


@pytest.fixture
def cast(db: None) -> Cast:
    """The users alone, without the study that the cast has elsewhere."""
    return Cast(
        admin=User.objects.create_superuser("admin"),
        **{
            name: User.objects.create_user(name)
            for name in ("coordinator", "reader", "other_reader", "qc", "governance", "scientist", "outsider")
        },
    )


@pytest.fixture
def coordinator(cast: Cast, study: Study) -> Client:
    return seen_by(cast.coordinator)


def seen_by(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, (path, response.status_code)
    return response.content.decode()


def post(client: Client, path: str, **data: Any) -> str:
    """What the page says that the button leads to."""
    response = client.post(path, data, follow=True)
    assert response.status_code == 200, (path, response.status_code)
    return response.content.decode()


def failed_case(study: Study) -> Case:
    case = case_for(study)
    job_of(case, Job.State.FAILED, reason="Slices 41 and 42 lie at the same position.")
    case_flow.advance()
    return Case.objects.get(pk=case.pk)


def waiting_case(study: Study) -> Case:
    case = case_for(study)
    job_of(case, Job.State.SUCCEEDED)
    case_flow.advance()
    return Case.objects.get(pk=case.pk)


def test_every_number_of_the_diagram_links_to_a_list_of_that_length(coordinator: Client, study: Study) -> None:
    failed_case(study)
    waiting_case(study)
    case_for(study)
    shown = page(coordinator, "/studies/glioma/flow/")
    links = re.findall(
        r'<a href="(/studies/glioma/cases/\?[^"]+)" class="flow-link[^"]*" aria-label="(\d+) ([^"]+)"', shown
    )
    assert len(links) == 11, "without readers nothing is assigned"
    for address, count, label in links:
        listed = page(coordinator, address.replace("&amp;", "&"))
        assert re.search(rf'<h2 id="cases">[^<]*, {count}</h2>', listed), (label, count)
    assert "<td>1</td></tr>" in shown, "the same is there as a table"


def test_the_diagram_renews_itself_only_when_something_changed(coordinator: Client, study: Study) -> None:
    case_for(study)
    shown = page(coordinator, "/studies/glioma/flow/")
    address = re.search(r'hx-get="([^"]+)"', shown)
    assert address is not None
    renewed = address[1].replace("&amp;", "&")
    assert coordinator.get(renewed).status_code == 204
    case_for(study)
    assert coordinator.get(renewed).status_code == 200


def test_pilot_and_real_are_shown_apart(cast: Cast) -> None:
    study = study_with_ai("piloted", stage=Study.Stage.PILOT)
    Membership.objects.create(study=study, user=cast.coordinator, role=Role.COORDINATOR)
    coordinator = seen_by(cast.coordinator)
    case_for(study)
    assert "<title>Received: 1</title>" in page(coordinator, "/studies/piloted/flow/"), "as long as there are no others"
    Study.objects.update(stage=Study.Stage.ACTIVE)
    case_for(study)
    case_for(study)
    assert "<title>Received: 2</title>" in page(coordinator, "/studies/piloted/flow/?cases=real")
    assert "<title>Received: 1</title>" in page(coordinator, "/studies/piloted/flow/?cases=pilot")
    assert "Pilot</span>" in page(coordinator, "/studies/piloted/cases/?cases=pilot")


def test_what_was_missed_is_said_and_screened_with_a_reason(coordinator: Client, study: Study) -> None:
    MissedExam.objects.create(study=study, exam=exam_for(study), stage="draft", came_at="2024-01-01T00:00Z")
    assert "1 exam came while the study took none" in page(coordinator, "/studies/glioma/flow/")
    assert "1 exams were screened" in post(coordinator, "/studies/glioma/flow/missed/", why="Sent too early")
    assert "came while the study took none" not in page(coordinator, "/studies/glioma/flow/")


def test_the_list_is_searched_by_number_accession_and_patient(coordinator: Client, study: Study) -> None:
    case_for(study, accession_number="XYZ1", patient_name="Alder^Anna", patient_id="A-1")
    case_for(study, accession_number="XYZ2", patient_name="Birch^Ben", patient_id="B-1")
    for text, name in (("2", "Birch, Ben"), ("xyz1", "Alder, Anna"), ("alder", "Alder, Anna"), ("B-1", "Birch, Ben")):
        shown = page(coordinator, f"/studies/glioma/cases/?q={text}")
        others = {"Birch, Ben", "Alder, Anna"} - {name}
        assert name in shown and not any(other in shown for other in others), text
    assert "No exam of this study is there" in page(coordinator, "/studies/glioma/cases/?q=nobody")


def test_an_empty_study_says_how_cases_come(coordinator: Client) -> None:
    assert "are screened as soon as they are complete" in page(coordinator, "/studies/glioma/cases/")


def test_a_page_of_cases_takes_as_many_queries_whatever_its_length(
    coordinator: Client, study: Study, django_assert_num_queries: Any
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(coordinator, "/studies/glioma/cases/")
        return len(captured)

    case_for(study)
    before = queries()
    for _ in range(8):
        case_for(study)
    assert queries() == before <= 18


def test_a_failed_case_says_why_and_is_tried_again(coordinator: Client, study: Study) -> None:
    case = failed_case(study)
    shown = page(coordinator, f"/studies/glioma/cases/{case.number}/")
    assert "Slices 41 and 42 lie at the same position." in shown and "Try again" in shown
    post(coordinator, f"/studies/glioma/cases/{case.number}/try-again/")
    assert case.exam.jobs.get().state == Job.State.QUEUED


def test_a_qc_reviewer_passes_and_rejects_with_plain_buttons(cast: Cast, study: Study) -> None:
    reviewer = seen_by(cast.qc)
    first, second = waiting_case(study), waiting_case(study)
    path = f"/studies/glioma/cases/{first.number}/"
    assert "Accept" in page(reviewer, path)
    assert "Say why the case is rejected: Motion." in post(reviewer, f"{path}qc/", verdict="reject")
    assert "Rejected by QC" in post(reviewer, f"{path}qc/", verdict="reject", reason="Motion", note="Vertex")
    assert "Enrolled" in post(reviewer, f"/studies/glioma/cases/{second.number}/qc/", verdict="accept")
    assert QCReview.objects.count() == 2
    assert "Accept" not in page(seen_by(cast.scientist), path), "who may not review has no button"
    assert "Awaits QC" in post(seen_by(cast.coordinator), f"{path}qc-again/", why="By mistake")


def test_an_undecided_exam_shows_each_criterion_and_is_decided_by_hand(cast: Cast) -> None:
    ae_title = AETitle.objects.create(title="THIN")
    study = open_study("thin", ae_title=ae_title, criteria=[{"name": "Thin", "when": "series.SliceThickness <= 2.0"}])
    Membership.objects.create(study=study, user=cast.coordinator, role=Role.COORDINATOR)
    exam = complete(receive(mr_slice(1, SliceThickness=None), called_ae="THIN")[0].series.exam)
    client, kept = seen_by(cast.coordinator), exam.screenings.get()
    path = f"/studies/thin/screenings/{kept.pk}/"
    assert "the series lacks SliceThickness" in page(client, path)
    assert "undecided" in page(client, "/studies/thin/cases/?box=undecided").lower()
    shown = post(client, f"{path}decision/", outcome="matched", why="1 mm, says the scanner")
    assert "Case 1" in shown and "1 mm, says the scanner" in shown
    again = post(client, f"{path}again/", why="The header was mended")
    assert "The header was mended" in again and Screening.objects.get().outcome == Screening.Outcome.UNDECIDED


def test_outside_results_are_uploaded_looked_at_and_kept(coordinator: Client, study: Study) -> None:
    case = case_for(study, accession_number="A1")
    path = "/studies/glioma/findings/"
    assert "Vendor AI" in page(coordinator, path)
    empty = SimpleUploadedFile("x.csv", b"")
    assert "Its first line must name the columns" in post(coordinator, path, arm="vendor", file=empty)
    file = SimpleUploadedFile("results.csv", b"Accession;Volume\nA1;12,5\nA9;1\n")
    shown = post(coordinator, path, arm="vendor", file=file)
    assert "No case of this study has AccessionNumber A9." in shown and "Keep 1" in shown
    assert not ArmFinding.objects.exists()
    [address] = re.findall(
        r"/studies/glioma/tables/\d+/",
        coordinator.post(
            path, {"arm": "vendor", "file": SimpleUploadedFile("r.csv", b"Accession;Volume\nA1;12,5\nA9;1\n")}
        ).headers["Location"],
    )
    assert "1 findings of Vendor AI were kept" in post(coordinator, address)
    assert ArmFinding.objects.get().values == {"Volume": "12,5"}
    assert "12,5" in page(coordinator, f"/studies/glioma/cases/{case.number}/")


def test_values_of_outside_findings_are_for_those_who_may_see_the_truth(cast: Cast, study: Study) -> None:
    case = case_for(study)
    ArmFinding.objects.create(case=case, arm="vendor", values={"Volume": "777.5"})
    path = f"/studies/glioma/cases/{case.number}/"
    assert "777.5" in page(seen_by(cast.governance), path)
    assert "777.5" not in page(seen_by(cast.qc), path)


def test_truth_is_imported_and_locked_from_its_page(coordinator: Client, cast: Cast, study: Study) -> None:
    case_for(study, accession_number="A1")
    assert "There is no truth yet" in page(coordinator, "/studies/glioma/truth/")
    file = SimpleUploadedFile("truth.csv", b"Case,class\n1,benign\n")
    shown = post(coordinator, "/studies/glioma/truth/table/", file=file)
    assert "Keep 1" in shown
    address = re.search(r'href="/studies/glioma/truth/"', shown)
    assert address is not None
    table = study.tables.get()
    assert "in version 1 of the truth" in post(coordinator, f"/studies/glioma/tables/{table.pk}/")
    assert "Version 1 is locked" in post(coordinator, "/studies/glioma/truth/lock/")
    assert TruthVersion.objects.get().locked_by == cast.coordinator
    assert "benign" in page(coordinator, "/studies/glioma/cases/1/")
    assert "benign" not in page(seen_by(cast.qc), "/studies/glioma/cases/1/")
    assert page(seen_by(cast.qc), "/studies/glioma/truth/", status=404)


def test_segmentations_are_looked_at_before_they_are_taken(coordinator: Client, study: Study) -> None:
    case_for(study)
    path = "/studies/glioma/truth/segmentations/"
    assert "did you mean" in page(coordinator, f"{path}?when=series.Modalit+==+1")
    assert "No case has a SEG or RTSTRUCT series" in page(coordinator, f'{path}?when=series.Modality+==+"SEG"')


def test_nobody_else_opens_these_pages(cast: Cast, study: Study) -> None:
    case = case_for(study)
    for path in ("flow/", "cases/", f"cases/{case.number}/", f"screenings/{case.screening_id}/", "truth/"):
        for user in (cast.reader, cast.outsider):
            page(seen_by(user), f"/studies/glioma/{path}", status=404)


def test_the_overview_shows_the_flow_in_a_line(coordinator: Client, study: Study) -> None:
    failed_case(study)
    shown = page(coordinator, "/studies/glioma/")
    assert re.search(r'box=failed&amp;cases=real"><strong>1</strong> failed', shown)
    assert len(FlowBox.FAILED.cases(study)) == 1
