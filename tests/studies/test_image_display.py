"""The PACS button: IHE Invoke Image Display, RAD-106."""

from datetime import date
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from dicom_ingest.models import Exam, Series
from inference.models import Job
from studies.image_display import MalformedRequest, PatientRequest, find, parse
from tests.conftest import Cast
from tests.studies.conftest import MakeCase, SignIn

STATE = Job.State


def _ask(browser: Client, query: str) -> Any:
    return browser.get(f"/IHEInvokeImageDisplay?{query}")


def test_one_exam_with_a_result_opens_its_result(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    exam = make_case().exam
    answer = _ask(signed_in(cast.reader), f"requestType=STUDY&studyUID={exam.study_instance_uid}")
    assert answer["Location"] == f"/results/{exam.results.get().pk}/"


def test_one_exam_without_a_current_result_opens_the_exam(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    exam = make_case().exam
    exam.jobs.update(state=STATE.SUPERSEDED)
    answer = _ask(signed_in(cast.reader), f"requestType=STUDY&studyUID={exam.study_instance_uid}")
    assert answer["Location"] == f"/exams/{exam.study_instance_uid}/"


def test_an_accession_number_finds_the_exam(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    make_case(accession_number="A1")
    wanted = make_case(STATE.RUNNING, accession_number="A2").exam
    answer = _ask(
        signed_in(cast.reader), "requestType=STUDY&accessionNumber=A2&viewerType=IHE_BIR&diagnosticQuality=true"
    )
    assert answer["Location"] == f"/exams/{wanted.study_instance_uid}/"


def test_several_exams_are_offered_to_choose_from(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    exams = [make_case(accession_number=f"A{n}").exam for n in range(2)]
    answer = _ask(signed_in(cast.reader), "requestType=STUDY&accessionNumber=A0,A1")
    assert answer.status_code == 200
    page = answer.content.decode()
    for exam in exams:
        assert f"?requestType=STUDY&amp;studyUID={exam.study_instance_uid}" in page


def test_both_lists_together_name_the_exams_that_are_in_both(cast: Cast, make_case: MakeCase) -> None:
    first, second = make_case(accession_number="A1").exam, make_case(accession_number="A2").exam
    query = f"requestType=STUDY&studyUID={first.study_instance_uid},{second.study_instance_uid}&accessionNumber=A2"
    assert _found(query, cast) == [second]


def test_a_patients_exams_come_newest_first_and_as_many_as_asked_for(cast: Cast, make_case: MakeCase) -> None:
    old, new = (make_case(patient_id="P", study_date=date(year, 1, 1)).exam for year in (2020, 2024))
    make_case(patient_id="Q")
    assert _found("requestType=PATIENT&patientID=P", cast) == [new, old]
    assert _found("requestType=PATIENT&patientID=P&mostRecentResults=1", cast) == [new]


def test_an_issuer_keeps_other_hospitals_patients_apart(cast: Cast, make_case: MakeCase) -> None:
    ours = make_case(patient_id="P", issuer_of_patient_id="OURS").exam
    make_case(patient_id="P", issuer_of_patient_id="THEIRS")
    unnamed = make_case(patient_id="P").exam
    assert set(_found("requestType=PATIENT&patientID=P^^^OURS%261.2.3%26ISO", cast)) == {ours, unnamed}


def test_modalities_narrow_a_patients_exams(cast: Cast, make_case: MakeCase) -> None:
    mr, ct = make_case(patient_id="P").exam, make_case(patient_id="P").exam
    Series.objects.create(exam=mr, series_instance_uid="1.1", modality="MR")
    Series.objects.create(exam=ct, series_instance_uid="1.2", modality="CT")
    assert _found("requestType=PATIENT&patientID=P&modalitiesInStudy=CT,PT", cast) == [ct]


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ("lowerDateTime=2024-03-15T10:15:00", ["10:15", "10:15:30.5", "next day"]),
        ("lowerDateTime=2024-03-15T10:15:01", ["10:15:30.5", "next day"]),
        ("upperDateTime=2024-03-15T10:15:00", ["10:15"]),
        ("upperDateTime=2024-03-15T10:15:30", ["10:15", "10:15:30.5"]),
        ("lowerDateTime=2024-03-15T11:15:01%2B01:00&upperDateTime=2024-03-15T23:59:59", ["10:15:30.5"]),
        ("lowerDateTime=2024-03-16T00:00:00", ["next day"]),
        ("lowerDateTime=2025-01-01T00:00:00", []),
    ],
)
def test_times_narrow_a_patients_exams_to_the_second(
    cast: Cast, make_case: MakeCase, limits: str, found: list[str]
) -> None:
    day = date(2024, 3, 15)
    make_case(patient_id="P", study_date=day, study_time="1015", study_description="10:15")
    make_case(patient_id="P", study_date=day, study_time="101530.500000", study_description="10:15:30.5")
    make_case(patient_id="P", study_date=date(2024, 3, 16), study_time="", study_description="next day")
    exams = _found(f"requestType=PATIENT&patientID=P&{limits}", cast)
    assert sorted(exam.study_description for exam in exams) == found


def test_an_exam_of_another_study_and_a_missing_one_get_the_same_answer(
    cast: Cast, make_case: MakeCase, signed_in: SignIn
) -> None:
    exam = make_case().exam
    browser = signed_in(cast.outsider)
    hidden = _ask(browser, f"requestType=STUDY&studyUID={exam.study_instance_uid}")
    missing = _ask(browser, "requestType=STUDY&studyUID=1.2.3.4.5.6")
    assert hidden.status_code == missing.status_code == 404
    assert "Not in any of your studies" in hidden.content.decode()
    assert exam.study_instance_uid not in hidden.content.decode()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "requestType is missing"),
        ("studyUID=1.2.3", "requestType is missing"),
        ("requestType=study&studyUID=1.2.3", "in capitals"),
        ("requestType=STUDY", "either studyUID or accessionNumber"),
        ("requestType=STUDY&studyUID=../../etc", "is no UID"),
        ("requestType=STUDY&studyUID=1.02.3", "is no UID"),
        ("requestType=PATIENT", "patientID has to be given"),
        ("requestType=PATIENT&patientID=P&mostRecentResults=0", "1 or more"),
        ("requestType=PATIENT&patientID=P&mostRecentResults=some", "1 or more"),
        ("requestType=PATIENT&patientID=P&lowerDateTime=yesterday", "lowerDateTime is “yesterday”"),
        ("requestType=PATIENT&patientID=P&upperDateTime=2024-02-31T00:00:00", "upperDateTime is “2024-02-31T00:00:00”"),
    ],
)
def test_a_malformed_link_says_what_is_expected(cast: Cast, signed_in: SignIn, query: str, said: str) -> None:
    answer = _ask(signed_in(cast.reader), query)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert "requestType=STUDY&amp;studyUID=1.2.3,1.2.4" in page


def test_what_a_link_says_is_never_markup(cast: Cast, signed_in: SignIn) -> None:
    page = _ask(signed_in(cast.reader), "requestType=<script>").content.decode()
    assert "&lt;script&gt;" in page


def test_an_issuer_of_a_patient_id_is_its_fourth_component() -> None:
    wanted = parse(QueryDict("requestType=PATIENT&patientID=123^^^Hospital%261.2.3%26ISO"))
    assert isinstance(wanted, PatientRequest)
    assert (wanted.patient_id, wanted.issuer) == ("123", "Hospital")


def test_a_patient_id_of_separators_only_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse(QueryDict("requestType=PATIENT&patientID=^^^Hospital"))


def _found(query: str, cast: Cast) -> list[Exam]:
    return find(parse(QueryDict(query)), cast.reader)
