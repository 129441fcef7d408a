"""The pages of one study and of one exam."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam, Route, Series
from inference.models import Job, OperatorRun
from portal.models import User
from studies.cases.enrolment import enrol_complete_exams
from studies.models import Case, Study
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.studies.conftest import MakeCase, SignIn

State = Job.State


def test_the_study_page_tells_its_question_its_address_and_its_cases(
    cast: Cast, make_case: MakeCase, signed_in: SignIn
) -> None:
    case = make_case()
    page = _page(signed_in(cast.reader), "/studies/brain/")
    for expected in ("Is it right?", "BRAIN", "brain-extraction", f"/results/{case.exam.results.get().pk}/"):
        assert expected in page


@pytest.mark.parametrize(
    ("who", "sees"), [("coordinator", True), ("governance", True), ("admin", True), ("reader", False), ("qc", False)]
)
def test_members_and_how_many_have_judged_are_for_those_who_run_the_study(
    cast: Cast, make_case: MakeCase, signed_in: SignIn, who: str, sees: bool
) -> None:
    make_case()
    page = _page(signed_in(getattr(cast, who)), "/studies/brain/")
    assert ("Members" in page) is sees
    assert ("Judged by" in page) is sees
    assert ("reader2" in page) is sees


def test_a_reader_sees_how_far_they_are_but_not_how_far_others_are(
    cast: Cast, make_case: MakeCase, signed_in: SignIn, judge: Callable[[Case, User], None]
) -> None:
    judge(make_case(), cast.other_reader)
    page = _page(signed_in(cast.reader), "/studies/brain/")
    assert "<strong>0</strong> of 1 judged by you" in page
    assert 'aria-label="Flow"' not in page


def test_many_cases_are_paged(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    for _ in range(51):
        make_case(None)
    browser = signed_in(cast.coordinator)
    assert "1–50 of 51" in _page(browser, "/studies/brain/")
    assert "51–51 of 51" in _page(browser, "/studies/brain/?page=2")


def test_the_exam_page_shows_series_and_where_they_came_from(exam: Exam, cast: Cast, signed_in: SignIn) -> None:
    _series(exam, "1", modality="MR", series_number=3, series_description="AX T1")
    made = {"modality": "SEG", "origin": Series.Origin.DERIVED, "series_number": 300}
    _series(exam, "2", series_description="Brain, old", superseded_at=now(), **made)
    _series(exam, "3", series_description="Brain, new", **made)
    page = _page(signed_in(cast.reader), _address(exam))
    assert page.index("AX T1") < page.index("Brain, old") < page.index("Brain, new")
    assert "Received" in page
    assert page.count("Made by a pipeline") == 2
    assert page.count("superseded just now".partition(" ")[0] + " <time") == 1


def test_the_exam_page_shows_the_middle_image_of_a_series_that_holds_one(
    study: Study, cast: Cast, signed_in: SignIn
) -> None:
    [image] = receive(mr_slice(1))
    exam = complete(image.series.exam)
    _series(exam, "1.9", modality="SR", series_number=9)
    browser = signed_in(cast.reader)
    [address] = re.findall(r'<img src="(/dicomweb/[^"]*/thumbnail)"', _page(browser, _address(exam)))
    assert image.series.series_instance_uid in address
    assert browser.get(address)["Content-Type"] == "image/jpeg"


def test_the_exam_page_leads_to_the_result_and_to_the_viewer(
    cast: Cast, make_case: MakeCase, signed_in: SignIn
) -> None:
    exam = make_case().exam
    page = _page(signed_in(cast.reader), _address(exam))
    assert f'href="/results/{exam.results.get().pk}/" data-key="r"' in page
    assert f'href="/viewer?StudyInstanceUIDs={exam.study_instance_uid}"' in page


@pytest.mark.parametrize("state", [State.FAILED, State.SKIPPED])
def test_a_job_without_a_result_shows_its_reason_in_words(
    cast: Cast, make_case: MakeCase, signed_in: SignIn, state: Job.State
) -> None:
    exam = make_case(state).exam
    page = _page(signed_in(cast.reader), _address(exam))
    assert "Slices 41 and 42 lie at the same position." in page


def test_a_running_job_shows_how_far_it_is(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    exam = make_case(State.RUNNING).exam
    job = exam.jobs.get()
    OperatorRun.objects.create(job=job, position=0, step="load", operator="load", seconds=1, peak_memory_mb=1)
    page = _page(signed_in(cast.reader), _address(exam))
    assert "1 step done, last “load”." in page


def test_the_exam_page_updates_itself_until_all_is_final(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    exam = make_case(State.RUNNING).exam
    browser = signed_in(cast.reader)
    update = _poll(_page(browser, _address(exam)))
    assert browser.get(update).status_code == 204
    exam.jobs.update(state=State.FAILED, reason="The disk is full.", finished_at=now())
    changed = browser.get(update)
    assert "The disk is full." in changed.content.decode()
    assert "hx-get" not in changed.content.decode()


def test_an_exam_that_is_still_arriving_says_what_is_awaited(exam: Exam, cast: Cast, signed_in: SignIn) -> None:
    Route.objects.filter(exam=exam).update(completed_at=None, received_instances=12)
    page = _page(signed_in(cast.reader), _address(exam))
    assert "12 images received" in page
    assert "complete when nothing more has come for 1 s." in page
    assert _poll(page)


def test_an_exam_that_is_complete_but_not_yet_dispatched_keeps_updating(
    exam: Exam, cast: Cast, signed_in: SignIn
) -> None:
    browser = signed_in(cast.reader)
    page = _page(browser, _address(exam))
    assert "the pipeline brain-extraction gets it next" in page
    Route.objects.filter(exam=exam).update(dispatched_at=now(), dispatch_problem="AE title BRAIN: no such pipeline.")
    changed = browser.get(_poll(page)).content.decode()
    assert "AE title BRAIN: no such pipeline." in changed
    assert "hx-get" not in changed


def test_an_ae_title_without_a_pipeline_says_that_nothing_runs(exam: Exam, cast: Cast, signed_in: SignIn) -> None:
    AETitle.objects.filter(title="BRAIN").update(pipeline="")
    Route.objects.filter(exam=exam).update(dispatched_at=now())
    assert "names no pipeline, so nothing runs on it" in _page(signed_in(cast.reader), _address(exam))


def test_the_patients_other_exams_stand_beside_it_as_far_as_they_are_visible(
    cast: Cast, make_case: MakeCase, signed_in: SignIn
) -> None:
    first = make_case(study_date=date(2022, 5, 1), patient_id="A").exam
    make_case(study_date=date(2023, 5, 1), patient_id="A")
    make_case(study_date=date(2021, 5, 1), patient_id="A", issuer_of_patient_id="ANOTHER")
    hidden = Exam.objects.create(study_instance_uid="1.2.9", study_date=date(2020, 5, 1), patient_id="A")
    page = _page(signed_in(cast.reader), _address(first))
    table = page.partition("This patient's exams")[2]
    assert table.index("2023-05-01") < table.index("2022-05-01")
    assert "ml" in table
    assert "2021-05-01" not in table
    assert hidden.study_instance_uid not in page


def test_exams_without_a_patient_id_are_nobodys_others(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    make_case(patient_id="", study_date=date(2023, 5, 1))
    exam = make_case(patient_id="", study_date=date(2022, 5, 1)).exam
    assert "2023-05-01" not in _page(signed_in(cast.reader), _address(exam))


def test_only_those_who_see_jobs_get_links_to_them(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    exam = make_case().exam
    assert "/jobs/" not in _page(signed_in(cast.reader), _address(exam))
    assert f"/jobs/{exam.jobs.get().pk}/" in _page(signed_in(cast.qc), _address(exam))


def test_a_superseded_job_is_greyed_and_its_result_no_longer_offered(
    cast: Cast, make_case: MakeCase, signed_in: SignIn
) -> None:
    exam = make_case().exam
    exam.jobs.update(state=State.SUPERSEDED)
    page = _page(signed_in(cast.reader), _address(exam))
    assert "A newer job has replaced it" in page
    assert "Open the result" not in page


def test_an_administrator_sees_an_exam_that_is_in_no_study_yet(cast: Cast, signed_in: SignIn) -> None:
    exam = Exam.objects.create(study_instance_uid="1.2.7", patient_name="New^Patient")
    Route.objects.create(exam=exam, called_ae="BRAIN", received_instances=1)
    assert enrol_complete_exams() == 0
    assert "In no study yet" in _page(signed_in(cast.admin), _address(exam))
    assert signed_in(cast.coordinator).get(_address(exam)).status_code == 404


def _address(exam: Exam) -> str:
    return f"/exams/{exam.study_instance_uid}/"


def _page(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _poll(page: str) -> str:
    return page.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")


def _series(exam: Exam, uid: str, **fields: object) -> Series:
    return Series.objects.create(exam=exam, series_instance_uid=f"1.2.3.4.{uid}", **fields)
