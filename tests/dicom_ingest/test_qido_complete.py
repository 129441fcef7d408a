"""QIDO-RS beyond the basics: every required key, what is included, spans of time, and whatever a client may send."""

from collections.abc import Callable
from typing import Any

import pytest
from dicomweb_client.web import DICOMwebClient
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_ingest.dicomweb import qido
from dicom_ingest.dicomweb.matching import KEYS
from dicom_ingest.models import Exam, Series
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import FLAIR, ROOT, STUDY, T1, complete, mr_slice, receive

CT = f"{ROOT}.2"


def _request(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
    return item


@pytest.fixture
def reader(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    """Beside the scanned exam, one whose series says of what request and procedure step it is."""
    attributes: dict[str, Any] = {
        "Modality": "CT",
        "StudyDate": "20240316",
        "StudyTime": "080000",
        "PatientName": "Sample^Rosa",
        "PatientID": "DEMO-0002",
        "PerformedProcedureStepStartDate": "20240316",
        "PerformedProcedureStepStartTime": "075500",
        "RequestAttributesSequence": Sequence([_request("STEP1", "PROC1"), _request("STEP2", "PROC2")]),
        "BodyPartExamined": "HEAD",
        "Manufacturer": "Acme",
        "PatientAge": "073Y",
        "EchoTime": "12.5",
    }
    first, *_ = receive(*(mr_slice(number, study=CT, series=f"{CT}.1", **attributes) for number in (1, 2)))
    complete(first.series.exam)
    return with_token(cast.reader)


def search(client: Client, path: str, **parameters: Any) -> list[dict[str, Any]]:
    response = client.get(f"/dicomweb/{path}", parameters)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()
    return found


def uids(answer: list[dict[str, Any]], tag: str = "0020000D") -> set[str]:
    return {result[tag]["Value"][0] for result in answer}


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"StudyDate": "20240315-20240316", "StudyTime": "10-09"}, {STUDY, CT}),
        ({"StudyDate": "20240315-20240316", "StudyTime": "11-09"}, {CT}),
        ({"StudyDate": "20240315-20240316", "StudyTime": "10-07"}, {STUDY}),
        ({"StudyDate": "20240315-", "StudyTime": "11-"}, {CT}),
        ({"StudyDate": "-20240316", "StudyTime": "-07"}, {STUDY}),
        ({"StudyDate": "20240315", "StudyTime": "09-11"}, {STUDY}),
        ({"StudyDate": "20240316", "StudyTime": "09-11"}, set()),
        ({"ModalitiesInStudy": "C?"}, {CT}),
        ({"ModalitiesInStudy": ["CT", "MR"]}, {STUDY, CT}),
        ({"PatientName": "SAMPLE*"}, {CT}),
        ({"PatientName": "*rosa"}, {CT}),
        ({"PatientName": "demo^älder=山田"}, {STUDY}),
        ({"PatientName": "=山*"}, {STUDY}),
        ({"PatientName": "sample^rosa^^"}, {CT}),
        ({"PatientName": "sampl_^rosa"}, set()),
        ({"PatientName": "samp%"}, set()),
        ({"PatientID": "DEMO-000\\*"}, set()),
        ({"PatientID": "DEMO%*"}, set()),
    ],
)
def test_studies_are_found_within_spans_and_by_patterns(
    reader: Client, parameters: dict[str, Any], found: set[str]
) -> None:
    assert uids(search(reader, "studies", **parameters)) == found


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"PerformedProcedureStepStartDate": "20240316"}, {f"{CT}.1"}),
        ({"00400244": "20240301-20240331", "00400245": "0700-0800"}, {f"{CT}.1"}),
        ({"PerformedProcedureStepStartTime": "0755"}, {f"{CT}.1"}),
        ({"RequestAttributesSequence.ScheduledProcedureStepID": "STEP2"}, {f"{CT}.1"}),
        ({"00400275.00400009": "STEP?"}, {f"{CT}.1"}),
        ({"00400275.00401001": "PROC1"}, {f"{CT}.1"}),
        ({"00400275.00401001": "STEP1"}, set()),
        ({"00400275.00401001": "PROC1*PROC2"}, set()),
        ({"00400275.00401001": ""}, {T1, FLAIR, f"{CT}.1"}),
        ({"SeriesDate": "20240315", "SeriesTime": "1016"}, {T1, FLAIR, f"{CT}.1"}),
        ({"SeriesNumber": ["1", "7"]}, {T1, f"{CT}.1"}),
        ({"SeriesNumber": "99999999999"}, set()),
    ],
)
def test_series_are_found_by_what_was_requested_and_performed(
    reader: Client, parameters: dict[str, Any], found: set[str]
) -> None:
    assert uids(search(reader, "series", **parameters), "0020000E") == found


def test_a_series_tells_its_procedure_step_and_requests(reader: Client) -> None:
    (series,) = search(reader, f"studies/{CT}/series")
    assert series["00400244"]["Value"] == ["20240316"]
    assert series["00400245"]["Value"] == ["075500"]
    asked = [(item["00400009"]["Value"], item["00401001"]["Value"]) for item in series["00400275"]["Value"]]
    assert asked == [(["STEP1"], ["PROC1"]), (["STEP2"], ["PROC2"])]
    assert "00400275" not in search(reader, f"studies/{STUDY}/series")[0]


@pytest.mark.parametrize(
    ("path", "parameters", "complaint"),
    [
        ("studies", {"00400275.00400009": "1"}, "A search for studies cannot match RequestAttributesSequence."),
        ("series", {"00400275": "1"}, "Within sequences, searches for series and instances match"),
        ("series", {"00081110.00081150": "1.2"}, "written RequestAttributesSequence.<keyword>"),
        ("series", {"00400275.00400009.00400009": "1"}, "is neither a DICOM attribute"),
        ("series", {"SOPInstanceUID": "1.2"}, "A search for series cannot match SOPInstanceUID"),
        ("studies", {"StudyDate": "20240399-", "StudyTime": "10-"}, "StudyDate with StudyTime cannot be matched"),
        ("studies", {"includefield": "PatientShoeSize"}, "'PatientShoeSize' is no DICOM attribute"),
        ("studies", {"StudyInstanceUID": ",".join(["1.2"] * 2001)}, "2001 values are given"),
    ],
)
def test_what_cannot_be_matched_is_refused_in_words(
    reader: Client, path: str, parameters: dict[str, str], complaint: str
) -> None:
    response = reader.get(f"/dicomweb/{path}", parameters)
    assert response.status_code == 400
    assert complaint in response.json()["detail"]


@pytest.mark.parametrize(
    "field", ["PatientAge", "00101010", "PatientID,PatientAge", ["StudyDate", "PatientAge"], "all"]
)
def test_a_study_returns_the_attributes_that_are_included(reader: Client, field: str | list[str]) -> None:
    plain, asked = (
        search(reader, "studies", StudyInstanceUID=CT, **extra)[0] for extra in ({}, {"includefield": field})
    )
    assert "00101010" not in plain
    assert asked["00101010"]["Value"] == ["073Y"]
    assert {tag: asked[tag] for tag in plain} == plain


def test_a_search_returns_no_attribute_of_a_level_below(reader: Client) -> None:
    fields = "Modality,BodyPartExamined,EchoTime,all"
    study = search(reader, "studies", StudyInstanceUID=CT, includefield=fields)[0]
    assert not {"00080060", "00180015", "00180081"} & study.keys()
    series = search(reader, f"studies/{CT}/series", includefield=fields)[0]
    assert series["00180015"]["Value"] == ["HEAD"]
    assert series["00080070"]["Value"] == ["Acme"]
    assert "00180081" not in series


def test_instances_return_any_attribute_but_bulk_data(reader: Client) -> None:
    by_name = search(
        reader, f"studies/{CT}/series/{CT}.1/instances", includefield="EchoTime,BodyPartExamined,PatientName"
    )
    assert [each["00180081"]["Value"] for each in by_name] == [[12.5], [12.5]]
    assert by_name[0]["00180015"]["Value"] == ["HEAD"]
    assert by_name[0]["00100010"]["Value"] == [{"Alphabetic": "Sample^Rosa"}]
    everything = search(reader, f"studies/{CT}/series/{CT}.1/instances", includefield="all")[0]
    assert everything["00200032"]["Value"] == [0.0, 0.0, 1.0]
    assert "7FE00010" not in everything
    assert "00180015" not in everything


def test_what_a_search_matches_by_it_returns(reader: Client) -> None:
    below = search(reader, f"studies/{CT}/series", PatientName="Sample*")[0]
    assert below["00100010"]["Value"] == [{"Alphabetic": "Sample^Rosa"}]
    assert "00100010" not in search(reader, f"studies/{CT}/series")[0]


def test_exams_come_newest_first_and_those_without_a_date_last(reader: Client) -> None:
    undated, *_ = receive(mr_slice(1, study=f"{ROOT}.3", series=f"{ROOT}.3.1", StudyDate=""))
    complete(undated.series.exam)
    found = [result["0020000D"]["Value"][0] for result in search(reader, "studies")]
    assert found == [CT, STUDY, f"{ROOT}.3"]


def test_many_remaining_results_are_not_all_counted(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qido, "MOST_COUNTED", 3)
    response = reader.get("/dicomweb/instances", {"limit": 1})
    assert "There are more than 3 additional results that can be requested" in response["Warning"]


def test_counts_follow_what_is_filed_and_what_is_removed(reader: Client) -> None:
    series = Series.objects.get(series_instance_uid=T1)
    assert series.instance_count == 3
    series.instances.filter(instance_number__gt=1).delete()
    series.refresh_from_db()
    assert series.instance_count == 1


@pytest.mark.django_db(transaction=True)
def test_a_client_of_others_making_searches_every_level(
    connect: Callable[[User], DICOMwebClient], scanned: Exam, cast: Cast
) -> None:
    client = connect(cast.reader)
    (study,) = client.search_for_studies(search_filters={"PatientName": "Demo*"}, fields=["PatientAge", "StudyDate"])
    assert study["0020000D"]["Value"] == [STUDY]
    series = client.search_for_series(STUDY, search_filters={"Modality": "MR"}, limit=1, offset=1)
    assert [each["0020000E"]["Value"][0] for each in series] == [FLAIR]
    instances = client.search_for_instances(STUDY, T1, fields=["all"], limit=2, get_remaining=True)
    assert len(instances) == 3


names = st.sampled_from(
    [
        *KEYS,
        "ModalitiesInStudy",
        "00100010",
        "00400275.00400009",
        "00400275",
        "PixelData",
        "limit",
        "offset",
        "00091001",
        "includefield",
        "fuzzymatching",
        "accept",
        "FFFFFFFF",
        "Rows",
        "a.b.c",
        "",
        "StudyTime",
        "StudyDate",
    ]
)
texts = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="*?^=\\,-.:%_'\"0123456789AZaz()[]{}|+$ ", max_size=40),
    st.sampled_from(
        ["20240315", "20240101-20241231", "-20240101", "20240101-", "10-12", "all", "1.2.3", "-", "0", "true"]
    ),
    st.from_regex(r"\A[0-9]{4,9}-?[0-9]{0,9}\Z"),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["studies", "series", "instances", f"studies/{STUDY}/series", f"studies/{STUDY}/instances"]),
    parameters=st.dictionaries(names, st.lists(texts, max_size=2), max_size=4),
)
def test_no_parameters_whatever_break_a_search(reader: Client, path: str, parameters: dict[str, list[str]]) -> None:
    response = reader.get(f"/dicomweb/{path}", parameters)
    assert response.status_code in (200, 400, 406), response.content
    if response.status_code == 400:
        assert response.json()["detail"]
    assert "\n" not in response.get("Warning", "")
