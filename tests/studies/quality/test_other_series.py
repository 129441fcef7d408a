"""A rejected case runs on a series that a person chose, and comes back to QC in a new round."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from dicom_ingest.models import Route
from inference import pipeline
from inference.models import Job
from portal.audit.models import Entry
from portal.models import User
from studies.cases import arm_findings, case_flow, enrolment, qc
from studies.models import Case, QCReview, Study
from studies.quality import other_series
from studies.refusals import Refused
from tests.conftest import Cast
from tests.inference.received import receive
from tests.inference.series import mr_series
from tests.studies.cases.flowing import succeed
from tests.studies.cases.test_screening import opened_read
from tests.studies.quality.checking import body, checked_study, posted

pytestmark = pytest.mark.django_db

State = Case.State
SignIn = Callable[[User], Client]
NAME = "brain-extraction"
ARM = {"key": "ai", "label": "AI", "findings": {"kind": "pipeline", "pipeline": NAME}}


@pytest.fixture
def brains(cast: Cast) -> Study:
    """A study whose arm is a pipeline that is installed, frozen in its version."""
    frozen = {"name": NAME, "digest": pipeline.load_named(NAME).digest}
    return checked_study(cast, "brains", arms=[ARM], pipelines=[frozen])


@pytest.fixture
def rejected(brains: Study, cast: Cast) -> Case:
    """Two T1 series; the pipeline took the first, and QC rejected its result."""
    pixels = body(1).repeat(4, axis=0)[:21]
    scans = [*mr_series(pixels), *mr_series(pixels[:3], description="AX T1 again", series_number=4)]
    exam = receive(scans, called_ae="BRAINS").exam
    enrolment.enrol_complete_exams()
    case_flow.advance()
    succeed(Job.objects.get())
    case_flow.advance()
    case = Case.objects.get(exam=exam)
    qc.review(case, QCReview.Verdict.REJECT, by=cast.qc, reason="Wrong series")
    return fresh(case)


def fresh(case: Case) -> Case:
    return Case.objects.select_related("study__ae_title", "protocol", "exam").get(pk=case.pk)


def uid(case: Case, number: int) -> str:
    return case.exam.series.get(series_number=number).series_instance_uid


def run_on_the_other(case: Case, by: User, why: str = "Motion in the first.") -> Job:
    return other_series.run_on(case, name=NAME, series=[uid(case, 4)], by=by, why=why)


def test_it_is_processed_again_and_comes_back_in_a_new_round(rejected: Case, cast: Cast) -> None:
    first = Job.objects.get()
    job = run_on_the_other(rejected, cast.qc)
    case = fresh(rejected)
    assert (case.state, case.qc_round) == (State.PROCESSING, 1)
    assert job.input_series is not None and job.input_series.series_number == 4
    assert (job.chosen_by, job.pipeline) == (cast.qc, first.pipeline)
    first.refresh_from_db()
    assert (first.state, first.superseded_by) == (Job.State.SUPERSEDED, job)
    case_flow.advance()
    assert Job.objects.count() == 2, "no tick brings the pipeline's own choice back"
    succeed(job)
    case_flow.advance()
    case = fresh(rejected)
    assert (case.state, case.qc_round) == (State.AWAITING_QC, 2)
    assert arm_findings.current(case).get().result == job.result
    row = Entry.objects.get(action="case run on other series")
    assert row.detail["series"] == [uid(case, 4)] and row.detail["to"] == str(job.pk)
    assert "Motion" not in str(row.detail), "free text stands with the job, not in the trail"


def test_the_page_offers_the_series_and_says_who_chose_and_why(rejected: Case, cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.qc)
    page = client.get(reverse("qc-case", args=[rejected.pk])).content.decode()
    assert "AX T1 again" in page and "Run brain-extraction on another series" in page
    about = {"pipeline": NAME, "series": uid(rejected, 4), "why": "Motion in the first."}
    answer = client.post(reverse("qc-series", args=[rejected.pk]), about)
    assert answer.headers["Location"] == reverse("qc")
    succeed(Job.objects.get(chosen_by=cast.qc))
    case_flow.advance()
    said = "AX T1 again&quot;: chosen by qc in place of the pipeline&#x27;s own choice. Motion in the first."
    for who, address in (
        (cast.qc, reverse("qc")),
        (cast.qc, reverse("study-case", args=["brains", rejected.number])),
        (cast.coordinator, reverse("study-quality", args=["brains"])),
    ):
        assert said in signed_in(who).get(address).content.decode(), address
    flow = signed_in(cast.coordinator).get(reverse("study-flow", args=["brains"])).content.decode()
    assert "Run on series that a person chose" in flow


def test_a_case_whose_pipeline_found_no_series_runs_on_one_that_a_person_names(brains: Study, cast: Cast) -> None:
    exam = receive(mr_series(body(2), description="AX"), called_ae="BRAINS").exam
    enrolment.enrol_complete_exams()
    case_flow.advance()
    case_flow.advance()
    case = Case.objects.get(exam=exam)
    assert case.state == State.FAILED and "No series fits" in case.state_reason
    other_series.run_on(case, name=NAME, series=[uid(case, 3)], by=cast.qc, why="It is a T1.")
    assert fresh(case).state == State.PROCESSING


def test_what_cannot_be_is_refused_in_words_and_changes_nothing(rejected: Case, cast: Cast, signed_in: SignIn) -> None:
    address, client = reverse("qc-series", args=[rejected.pk]), signed_in(cast.qc)
    good = {"pipeline": NAME, "series": uid(rejected, 4), "why": "Motion"}
    for change, words in (
        ({"why": "  "}, "Say why"),
        ({"why": "x" * 501}, "at most 500 characters"),
        ({"series": ""}, "own image series"),
        ({"series": "../../etc/passwd"}, "own image series"),
        ({"series": uid(rejected, 3)}, "very series"),
        ({"series": [uid(rejected, 3), uid(rejected, 4)]}, "runs on one series"),
        ({"pipeline": "liver-transplant"}, "Choose one of the pipelines"),
        ({"pipeline": ""}, "Choose one of the pipelines"),
    ):
        answer = client.post(address, good | change)
        assert words in " ".join(map(str, get_messages(answer.wsgi_request))), change
    Route.objects.update(completed_at=None)
    with pytest.raises(Refused, match="still coming in"):
        run_on_the_other(rejected, cast.qc)
    assert fresh(rejected).state == State.QC_REJECTED and Job.objects.count() == 1


def test_nothing_runs_again_that_is_read_enrolled_or_of_a_closed_study(rejected: Case, cast: Cast) -> None:
    qc.reopen(rejected, by=cast.coordinator, reason="By mistake")
    with pytest.raises(Refused, match="is awaits qc"):
        run_on_the_other(rejected, cast.qc)
    qc.review(rejected, QCReview.Verdict.ACCEPT, by=cast.qc)
    opened_read(fresh(rejected), cast)
    with pytest.raises(Refused, match="is enrolled"):
        run_on_the_other(rejected, cast.qc)
    Study.objects.filter(pk=rejected.study_id).update(stage=Study.Stage.LOCKED)
    with pytest.raises(Refused, match="locked"):
        run_on_the_other(rejected, cast.qc)


def test_the_same_verdict_form_is_refused_while_it_runs(rejected: Case, cast: Cast, signed_in: SignIn) -> None:
    form = posted(rejected, cast.qc, "accept")
    run_on_the_other(rejected, cast.qc)
    answer = signed_in(cast.qc).post(reverse("qc-verdict", args=[rejected.pk]), form, headers={"HX-Request": "true"})
    assert "it is in process. Nothing was added." in answer.context["said"]
