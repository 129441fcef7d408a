"""Which series is chosen, and what is said of the others."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom import Dataset

from dicom_ingest import conditions as dicom_conditions
from dicom_ingest.headers import SeriesHeader, exam_header, series_header, series_header_of_dataset
from inference import pipeline
from inference.schema import InputSection
from inference.selection import Selection, select_series
from tests.inference.series import AXIAL, CORONAL, SAGITTAL, mr_series, numbered_voxels

MR_OF_20 = [
    {"when": 'series.Modality == "MR"', "otherwise": "The series is not MR"},
    {"when": "series.NumberOfInstances >= 20", "otherwise": "It has too few slices"},
]


def header(number: int, **values: Any) -> SeriesHeader:
    described = {"Modality": "MR", "SeriesDescription": f"S{number}", "SeriesNumber": number, "NumberOfInstances": 100}
    given = {keyword: value for keyword, value in (described | values).items() if value is not None}
    return SeriesHeader(f"1.2.{number}", given)


def select(
    *series: SeriesHeader, conditions: list[dict[str, str]] = MR_OF_20, prefer: list[dict[str, str]] | None = None
) -> Selection:
    wanted = InputSection.model_validate({"conditions": conditions, "prefer": prefer or []})
    return select_series(exam_header(series), series, wanted)


def test_the_one_series_that_fits_is_chosen_and_every_other_has_its_reason() -> None:
    selection = select(header(1, Modality="CT"), header(2), header(3, NumberOfInstances=3))
    assert selection.series_instance_uid == "1.2.2"
    assert selection.reason == 'Series 2 "S2" alone meets every condition.'
    assert [verdict.reason for verdict in selection.verdicts] == [
        'The series is not MR (series.Modality is "CT")',
        None,
        "It has too few slices (series.NumberOfInstances is 3)",
    ]


def test_without_an_eligible_series_the_reason_names_each() -> None:
    selection = select(header(1, Modality="CT"), header(3, NumberOfInstances=3))
    assert selection.series_instance_uid is None
    assert selection.reason == (
        'No series fits. Series 1 "S1": The series is not MR (series.Modality is "CT"). '
        'Series 3 "S3": It has too few slices (series.NumberOfInstances is 3).'
    )


def test_a_missing_attribute_is_a_reason_and_never_silent() -> None:
    conditions = [{"when": "series.EchoTime < 5.0", "otherwise": "The echo is late"}]
    selection = select(header(1), conditions=conditions)
    assert selection.reason == 'No series fits. Series 1 "S1": The echo is late (the series lacks EchoTime).'
    of_exam = [{"when": 'exam.PatientSex == "F"', "otherwise": "Women only"}]
    assert "Women only (the exam lacks PatientSex)" in select(header(1), conditions=of_exam).reason


def test_has_and_or_decide_in_spite_of_a_missing_attribute() -> None:
    conditions = [{"when": 'has(series.EchoTime) || series.Modality == "MR"', "otherwise": "No"}]
    assert select(header(1), conditions=conditions).series_instance_uid == "1.2.1"


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("series.SeriesDescription > 3", 'cannot be evaluated (series.SeriesDescription is "S1")'),
        ("series.NumberOfInstances", "gives 100, not true or false"),
        ('series.SeriesDescription.matches("(")', "cannot be evaluated"),
    ],
)
def test_a_condition_that_cannot_be_decided_is_a_reason(condition: str, reason: str) -> None:
    selection = select(header(1), conditions=[{"when": condition, "otherwise": "No"}])
    assert selection.series_instance_uid is None
    assert reason in selection.reason


def test_an_exam_without_series_says_so() -> None:
    assert select().reason == "The exam has no series."


THINNEST_THEN_MOST = [
    {"take": "lowest", "by": "series.SliceThickness"},
    {"take": "highest", "by": "series.NumberOfInstances"},
]


def test_preferences_decide_in_their_order_and_say_which_did() -> None:
    thick, thin = header(1, SliceThickness=3.0), header(2, SliceThickness=1.0)
    selection = select(thick, thin, prefer=THINNEST_THEN_MOST)
    assert selection.series_instance_uid == "1.2.2"
    assert selection.reason == (
        '2 series meet every condition; Series 2 "S2" has the lowest series.SliceThickness (1).'
    )
    more = header(3, SliceThickness=1.0, NumberOfInstances=200)
    assert "highest series.NumberOfInstances (200)" in select(thin, more, thick, prefer=THINNEST_THEN_MOST).reason


def test_a_series_without_the_preferred_attribute_comes_last() -> None:
    selection = select(header(1), header(2, SliceThickness=9.0), prefer=THINNEST_THEN_MOST)
    assert selection.series_instance_uid == "1.2.2"


def test_equal_series_are_told_apart_by_number_so_that_the_choice_is_stable() -> None:
    for series in ([header(7), header(4)], [header(4), header(7)]):
        selection = select(*series, prefer=THINNEST_THEN_MOST)
        assert selection.series_instance_uid == "1.2.4"
        assert "equally well" in selection.reason
    assert select(header(5, SeriesNumber=None), header(6)).series_instance_uid == "1.2.6"


def test_numbers_are_numbers_and_what_may_be_many_is_a_list() -> None:
    instance = mr_series(numbered_voxels())[0]
    instance.ImageType = "ORIGINAL"
    values = series_header_of_dataset(instance, number_of_instances=5).values
    assert values["SliceThickness"] == 2.0
    assert isinstance(values["SliceThickness"], float)
    assert values["SeriesNumber"] == 3
    assert values["ImageType"] == ["ORIGINAL"]
    assert values["PixelSpacing"] == [1.0, 1.0]
    assert values["NumberOfInstances"] == 5
    assert "PixelData" not in values


def test_sequences_are_lists_of_headers() -> None:
    instance, code = mr_series(numbered_voxels())[0], Dataset()
    code.CodeValue, code.CodeMeaning = "T1", "T1 weighted"
    instance.ProcedureCodeSequence = [code]
    values = series_header_of_dataset(instance, number_of_instances=1).values
    assert values["ProcedureCodeSequence"] == [{"CodeValue": "T1", "CodeMeaning": "T1 weighted"}]


def test_a_header_is_the_same_from_a_dataset_and_from_stored_dicom_json() -> None:
    instance = mr_series(numbered_voxels())[0]
    file = BytesIO()
    instance.save_as(file, enforce_file_format=True)
    read = pydicom.dcmread(BytesIO(file.getvalue()), stop_before_pixels=True)
    stored = json.loads(read.to_json())
    assert series_header(stored, number_of_instances=5) == series_header_of_dataset(instance, number_of_instances=5)


def test_who_the_patient_is_never_reaches_a_condition() -> None:
    values = series_header_of_dataset(mr_series(numbered_voxels())[0], number_of_instances=5).values
    assert not {"PatientName", "PatientID", "PatientBirthDate", "AccessionNumber"} & values.keys()
    assert values["PatientSex"] == "O"


def test_an_exam_holds_what_its_series_agree_on() -> None:
    exam = exam_header([header(1, StudyDescription="MR brain"), header(2, StudyDescription="MR brain", Modality="SEG")])
    assert exam["StudyDescription"] == "MR brain"
    assert exam["ModalitiesInStudy"] == ["MR", "SEG"]
    assert exam["NumberOfSeries"] == 2
    assert "Modality" not in exam


def brain_extraction_takes(**values: Any) -> Selection:
    given = {"SeriesDescription": "AX T1 3D", "ImageType": ["ORIGINAL", "PRIMARY"]} | values
    series = [header(1, **given)]
    return select_series(exam_header(series), series, pipeline.load_named("brain-extraction").input)


@pytest.mark.parametrize("description", ["AX T1 3D", "t1_mprage_sag_p2", "SAG BRAVO", "Ax T1 FLAIR"])
def test_brain_extraction_takes_t1_series(description: str) -> None:
    assert brain_extraction_takes(SeriesDescription=description).series_instance_uid == "1.2.1"


def test_brain_extraction_takes_a_multi_frame_image_and_a_protocol_name() -> None:
    values = {"SeriesDescription": None, "ProtocolName": "T1 MPRAGE", "NumberOfInstances": 1, "NumberOfFrames": 160}
    assert brain_extraction_takes(**values).series_instance_uid == "1.2.1"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Modality": "CT"}, 'The series is not MR (series.Modality is "CT")'),
        ({"NumberOfInstances": 9}, "The series has fewer than 20 slices"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "The series is a localizer or a projection"),
        ({"SeriesDescription": "AX T2"}, "Neither series description nor protocol name says T1"),
        ({"SeriesDescription": "T1 map"}, "The series is a map or a segmentation, not an image"),
    ],
)
def test_brain_extraction_says_why_it_leaves_others(values: dict[str, Any], reason: str) -> None:
    selection = brain_extraction_takes(**values)
    assert selection.series_instance_uid is None
    assert reason in selection.reason


PLANE_OF = {"axial": AXIAL, "coronal": CORONAL, "sagittal": SAGITTAL}


def oriented(number: int, orientation: Sequence[float]) -> SeriesHeader:
    first = mr_series(numbered_voxels(), orientation=orientation, series_number=number)[0]
    return series_header_of_dataset(first, number_of_instances=100)


@pytest.mark.parametrize("plane", PLANE_OF)
def test_the_plane_of_a_series_is_told_and_may_be_asked_for(plane: str) -> None:
    given = [oriented(number, orientation) for number, orientation in enumerate(PLANE_OF.values(), start=1)]
    selection = select(
        *given, conditions=[{"when": f'series.ImagePlane == "{plane}"', "otherwise": f"It is not {plane}"}]
    )
    assert selection.series_instance_uid == given[[*PLANE_OF].index(plane)].series_instance_uid
    assert f'It is not {plane} (series.ImagePlane is "' in " ".join(str(one.reason) for one in selection.verdicts)


@pytest.mark.parametrize(("degrees", "plane"), [(0, "axial"), (25, "axial"), (45, "oblique"), (65, "coronal")])
def test_a_plane_tilted_further_than_30_degrees_is_oblique(degrees: float, plane: str) -> None:
    angle = math.radians(degrees)
    assert oriented(1, (1, 0, 0, 0, math.cos(angle), math.sin(angle))).values["ImagePlane"] == plane


def test_an_enhanced_images_plane_is_that_of_its_frames_and_a_picture_has_none() -> None:
    first = mr_series(numbered_voxels(), orientation=CORONAL)[0]
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    shared.PlaneOrientationSequence = [orientation]
    first.SharedFunctionalGroupsSequence = [shared]
    del first.ImageOrientationPatient
    assert series_header_of_dataset(first, number_of_instances=1).values["ImagePlane"] == "coronal"
    del first.SharedFunctionalGroupsSequence
    without = series_header_of_dataset(first, number_of_instances=1)
    assert "ImagePlane" not in without.values
    refused = select(without, conditions=[{"when": 'series.ImagePlane == "axial"', "otherwise": "It is not axial"}])
    assert "It is not axial (the series lacks ImagePlane)" in refused.reason


def test_the_plane_is_a_text_of_the_series_alone() -> None:
    for wrong, reason in {
        "series.ImagePlane == 3": "series.ImagePlane is a text",
        'instance.ImagePlane == "axial"': "an instance has no ImagePlane; write series.ImagePlane",
        'series.ImagePlain == "axial"': "did you mean ImagePlane",
    }.items():
        with pytest.raises(ValueError, match=reason):
            dicom_conditions.check(wrong, dicom_conditions.ROUTING)


def test_ranges_alternatives_and_a_preferred_plane_choose_together() -> None:
    conditions = [
        {"when": "series.SliceThickness >= 0.5 && series.SliceThickness <= 1.5", "otherwise": "Not 0.5 to 1.5 mm"},
        {
            "when": 'series.ImagePlane == "axial" || series.ImagePlane == "coronal"',
            "otherwise": "Neither axial nor coronal",
        },
    ]
    prefer = [
        {"take": "highest", "by": 'series.ImagePlane == "axial" ? 1 : 0'},
        {"take": "lowest", "by": "series.SliceThickness"},
    ]
    given = [
        header(1, SliceThickness=0.6, ImagePlane="coronal"),
        header(2, SliceThickness=1.4, ImagePlane="axial"),
        header(3, SliceThickness=1.0, ImagePlane="axial"),
        header(4, SliceThickness=0.4, ImagePlane="axial"),
        header(5, SliceThickness=1.0, ImagePlane="sagittal"),
    ]
    selection = select(*given, conditions=conditions, prefer=prefer)
    assert selection.series_instance_uid == "1.2.3"
    assert [verdict.is_eligible for verdict in selection.verdicts] == [True, True, True, False, False]
    assert selection.verdicts[3].reason == "Not 0.5 to 1.5 mm (series.SliceThickness is 0.4)"
