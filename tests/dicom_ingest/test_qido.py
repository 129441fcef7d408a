"""QIDO-RS: what searches find, what they say of it, and what they cost."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from dicom_ingest.dicomweb import qido
from dicom_ingest.models import Exam, Series
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import FLAIR, ROOT, STUDY, T1, complete, mr_slice, receive

Answer = list[dict[str, Any]]


@pytest.fixture
def reader(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    complete(scanned)
    return with_token(cast.reader)


def search(client: Client, path: str, **parameters: Any) -> Answer:
    response = client.get(f"/dicomweb/{path}", parameters)
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/dicom+json"
    found: Answer = response.json()
    return found


def values(answer: Answer, tag: str) -> list[Any]:
    return [value for result in answer for value in result[tag].get("Value", [])]


def test_a_study_says_all_that_the_viewer_lists(reader: Client) -> None:
    (study,) = search(reader, "studies", StudyInstanceUID=STUDY)
    found = {tag: element.get("Value") for tag, element in study.items()}
    assert found["0020000D"] == [STUDY]
    assert found["00080020"] == ["20240315"]
    assert found["00080030"] == ["101530.5"]
    assert found["00080050"] == ["ACC0001"]
    assert found["00080061"] == ["MR"]
    assert found["00080090"] == [{"Alphabetic": "House^Gregory"}]
    assert found["00100010"] == [{"Alphabetic": "Demo^Älder", "Ideographic": "山田"}]
    assert found["00100020"] == ["DEMO-0001"]
    assert found["00100030"] == ["19510203"]
    assert found["00081030"] == ["MR Brain"]
    assert found["00201206"] == [2]
    assert found["00201208"] == [4]
    assert found["00081190"] == [f"http://testserver/dicomweb/studies/{STUDY}"]
    assert list(study) == sorted(study)


def test_the_series_of_a_study_say_all_that_the_viewer_lists(reader: Client) -> None:
    t1, flair = search(reader, f"studies/{STUDY}/series", includefield="00080021,00080031,0008103E,00200011")
    found = {tag: element.get("Value") for tag, element in t1.items()}
    assert found["0020000E"] == [T1]
    assert found["00080060"] == ["MR"]
    assert found["00200011"] == [1]
    assert found["0008103E"] == ["T1 3D"]
    assert found["00080021"] == ["20240315"]
    assert found["00080031"] == ["101600"]
    assert found["00201209"] == [3]
    assert found["0020000D"] == [STUDY]
    assert "00100010" not in found
    assert flair["0020000E"]["Value"] == [FLAIR]


def test_a_search_across_studies_tells_which_study_each_result_is_of(reader: Client) -> None:
    series = search(reader, "series", SeriesDescription="*flair*")
    assert values(series, "0020000E") == [FLAIR]
    assert values(series, "00100020") == ["DEMO-0001"]
    instances = search(reader, "instances", SeriesInstanceUID=T1, InstanceNumber=2)
    assert values(instances, "00080018") == [f"{T1}.2"]
    assert values(instances, "00100020") == ["DEMO-0001"]
    assert values(instances, "00200011") == [1]


def test_instances_say_their_class_size_and_transfer_syntax(reader: Client) -> None:
    instances = search(reader, f"studies/{STUDY}/series/{T1}/instances")
    assert values(instances, "00080018") == [f"{T1}.1", f"{T1}.2", f"{T1}.3"]
    assert values(instances, "00080016") == ["1.2.840.10008.5.1.4.1.1.4"] * 3
    assert values(instances, "00083002") == ["1.2.840.10008.1.2.1"] * 3
    assert values(instances, "00200013") == [1, 2, 3]
    assert values(instances, "00280010") == [12] * 3
    assert values(instances, "00280011") == [16] * 3
    assert values(instances, "00280008") == [1] * 3
    assert len(search(reader, f"studies/{STUDY}/instances")) == 4


@pytest.mark.parametrize(
    ("parameters", "matches"),
    [
        ({"StudyInstanceUID": STUDY}, True),
        ({"0020000D": STUDY}, True),
        ({"StudyInstanceUID": f"{ROOT}.9\\{STUDY}"}, True),
        ({"StudyInstanceUID": f"{ROOT}.9,{STUDY}"}, True),
        ({"StudyInstanceUID": [f"{ROOT}.9", STUDY]}, True),
        ({"StudyInstanceUID": f"{ROOT}.9"}, False),
        ({"PatientID": "DEMO-0001"}, True),
        ({"00100020": "DEMO-0001"}, True),
        ({"PatientID": "demo-0001"}, False),
        ({"PatientID": "*0001"}, True),
        ({"PatientID": "DEMO-000?"}, True),
        ({"PatientID": "DEMO-0001?"}, False),
        ({"PatientID": "DEMO.0001"}, False),
        ({"PatientID": ""}, True),
        ({"PatientName": "demo*"}, True),
        ({"PatientName": "Demo^Älder"}, True),
        ({"PatientName": "DEMO^älder"}, True),
        ({"PatientName": "山?"}, True),
        ({"PatientName": "Demo"}, False),
        ({"PatientName": "*(*"}, False),
        ({"AccessionNumber": "ACC0001"}, True),
        ({"AccessionNumber": "ACC"}, False),
        ({"StudyDate": "20240315"}, True),
        ({"StudyDate": "20240314"}, False),
        ({"StudyDate": "20240301-20240331"}, True),
        ({"StudyDate": "20240316-"}, False),
        ({"StudyDate": "20240315-"}, True),
        ({"StudyDate": "-20240315"}, True),
        ({"StudyDate": "-20240314"}, False),
        ({"StudyTime": "1015"}, True),
        ({"StudyTime": "09-10"}, True),
        ({"StudyTime": "101531-"}, False),
        ({"ModalitiesInStudy": "CT\\MR"}, True),
        ({"ModalitiesInStudy": "CT"}, False),
        ({"Modality": "MR"}, True),
        ({"StudyDescription": "*BRAIN*"}, True),
        ({"StudyDescription": "mr brain"}, True),
        ({"ReferringPhysicianName": "house*"}, True),
        ({"PatientBirthDate": "19510203"}, True),
        ({"PatientSex": "M"}, False),
        ({"StudyID": "S1"}, True),
        ({"PatientID": "DEMO-0001", "StudyDate": "20230101"}, False),
    ],
)
def test_studies_are_found_by_their_keys(reader: Client, parameters: dict[str, Any], matches: bool) -> None:
    assert bool(search(reader, "studies", **parameters)) is matches


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({"SeriesInstanceUID": FLAIR}, [2]),
        ({"Modality": "MR"}, [1, 2]),
        ({"Modality": "CT"}, []),
        ({"SeriesNumber": "2"}, [2]),
        ({"SeriesDescription": "t1*"}, [1]),
        ({"ModalitiesInStudy": "MR"}, [1, 2]),
        ({"PatientID": "somebody else"}, []),
    ],
)
def test_series_are_found_by_their_keys(reader: Client, parameters: dict[str, Any], numbers: list[int]) -> None:
    assert values(search(reader, f"studies/{STUDY}/series", **parameters), "00200011") == numbers


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"PatientShoeSize": "42"}, "'PatientShoeSize' is neither"),
        ({"patientid": "DEMO-0001"}, "'patientid' is neither"),
        ({"SliceThickness": "1"}, "cannot match SliceThickness"),
        ({"SeriesInstanceUID": T1}, "A search for studies cannot match SeriesInstanceUID"),
        ({"StudyDate": "2024-03-15"}, "YYYYMMDD"),
        ({"StudyDate": "20241399"}, "YYYYMMDD"),
        ({"StudyDate": "-"}, "at least one end"),
        ({"StudyTime": "25h"}, "HHMMSS"),
        ({"StudyInstanceUID": "../etc"}, "is not a UID"),
        ({"PatientID": "a\0b"}, "control characters"),
        ({"PatientName": "x" * 400}, "400 characters"),
        ({"limit": "-1"}, "limit has to be a whole number"),
        ({"offset": "99999999999999999999"}, "offset has to be a whole number"),
    ],
)
def test_a_parameter_that_cannot_be_understood_is_named(
    reader: Client, parameters: dict[str, str], complaint: str
) -> None:
    response = reader.get("/dicomweb/studies", parameters)
    assert response.status_code == 400
    assert complaint in response.json()["detail"]


def test_a_number_that_is_none_is_refused(reader: Client) -> None:
    response = reader.get("/dicomweb/series", {"SeriesNumber": "two"})
    assert (response.status_code, response.json()["detail"]) == (
        400,
        "SeriesNumber cannot be matched: a whole number is wanted.",
    )


def test_nothing_found_is_an_empty_list(reader: Client) -> None:
    assert search(reader, "studies", PatientID="nobody") == []


def test_pages_follow_each_other_and_tell_how_much_is_left(reader: Client) -> None:
    first = reader.get("/dicomweb/instances", {"limit": 3})
    assert first["Warning"] == '299 testserver "There are 1 additional results that can be requested"'
    second = reader.get("/dicomweb/instances", {"limit": 3, "offset": 3})
    assert "Warning" not in second
    found = values(first.json() + second.json(), "00080018")
    assert sorted(found) == sorted({f"{T1}.1", f"{T1}.2", f"{T1}.3", f"{FLAIR}.1"})
    assert search(reader, "instances", offset=4) == []


def test_the_number_of_results_is_bounded_without_a_limit(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qido, "MOST_RESULTS", 2)
    response = reader.get("/dicomweb/instances", {"limit": 1000})
    assert len(response.json()) == 2
    assert "2 additional results" in response["Warning"]


def test_fuzzy_matching_is_declined_with_a_warning(reader: Client) -> None:
    declined = reader.get("/dicomweb/studies", {"fuzzymatching": "true"})
    assert "fuzzymatching parameter is not supported" in declined["Warning"]
    assert "Warning" not in reader.get("/dicomweb/studies", {"fuzzymatching": "false"})


def test_a_superseded_series_is_found_only_by_its_uid(reader: Client) -> None:
    Series.objects.filter(series_instance_uid=FLAIR).update(superseded_at=now())
    (study,) = search(reader, "studies")
    assert study["00201206"]["Value"] == [1]
    assert study["00201208"]["Value"] == [3]
    assert values(search(reader, f"studies/{STUDY}/series"), "0020000E") == [T1]
    assert len(search(reader, f"studies/{STUDY}/instances")) == 3
    assert values(search(reader, f"studies/{STUDY}/series", SeriesInstanceUID=FLAIR), "0020000E") == [FLAIR]
    assert len(search(reader, f"studies/{STUDY}/series/{FLAIR}/instances")) == 1
    assert len(search(reader, "instances", SOPInstanceUID=f"{FLAIR}.1")) == 1


def test_json_can_be_had_under_its_general_name_but_xml_cannot(reader: Client) -> None:
    plain = reader.get("/dicomweb/studies", headers={"Accept": "application/json"})
    assert plain["Content-Type"] == "application/json"
    xml = reader.get("/dicomweb/studies", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert xml.status_code == 406


@pytest.mark.parametrize(
    ("path", "queries"), [("studies", 5), (f"studies/{STUDY}/series", 2), (f"studies/{STUDY}/instances", 2)]
)
def test_a_search_costs_the_same_queries_however_much_it_finds(
    reader: Client,
    path: str,
    queries: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    reader.get(f"/dicomweb/studies/{STUDY}/series")  # from now on it is known who asks, and that they saw this exam
    with django_assert_num_queries(queries):
        before = len(reader.get(f"/dicomweb/{path}").json())
    for number in range(3):
        series = f"{T1}.{number + 10}"
        other = f"{ROOT}.{number + 5}"
        receive(mr_slice(number, series=series), mr_slice(number, study=other, series=f"{other}.1"))
    for exam in Exam.objects.all():
        complete(exam)
    with django_assert_num_queries(queries):
        after = len(reader.get(f"/dicomweb/{path}").json())
    assert after == before + 3


def test_values_stay_readable_as_utf_8(reader: Client) -> None:
    response = reader.get("/dicomweb/studies")
    assert json.loads(response.content.decode("utf-8"))[0]["00080005"]["Value"] == ["ISO_IR 192"]
