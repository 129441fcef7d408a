"""Truth that comes as a table is typed as readers' answers are, and boxes come with a row for each."""

from __future__ import annotations

from typing import Any

import pytest

from dicom_ingest.models import Instance, Series
from studies.cases import case_tables, truth
from studies.cases.tables import TableUnreadable
from studies.models import Case, CaseTruth, Study
from tests.conftest import Cast
from tests.studies.cases.flowing import case_for, study_with_ai

pytestmark = pytest.mark.django_db

FORM: dict[str, Any] = {
    "name": "hip",
    "title": "Hip",
    "sections": [
        {
            "questions": [
                {"key": "size", "type": "number", "label": "Size", "unit": "mm", "minimum": 0, "maximum": 90},
                {
                    "key": "fracture",
                    "type": "single-choice",
                    "label": "Is it broken?",
                    "choices": [{"value": "yes", "label": "Broken"}, {"value": "no", "label": "Whole"}],
                },
                {
                    "key": "sides",
                    "type": "multiple-choice",
                    "label": "Where?",
                    "choices": [{"value": "left", "label": "Left hip"}, {"value": "right", "label": "Right hip"}],
                },
                {"key": "place", "type": "region", "label": "Place", "area": "box", "required": False},
            ]
        }
    ],
}


@pytest.fixture
def hips() -> Study:
    reference = {"source": "import", "answers": ["fracture", "size", "sides", "place"], "form": "hip"}
    return study_with_ai("hips", arms=[], pipelines=[], forms=[FORM], reference=reference)


def image_of(case: Case) -> str:
    series = Series.objects.create(exam=case.exam, series_instance_uid=f"1.2.{case.pk}.1", modality="DX")
    Instance.objects.create(
        series=series,
        sop_instance_uid=f"1.2.{case.pk}.1.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=200,
        columns=100,
        sha256="a" * 64,
        size=1,
    )
    return f"1.2.{case.pk}.1.1"


def preview(study: Study, text: str, cast: Cast) -> case_tables.Matching:
    return truth.preview(case_tables.upload(study, arm="", name="t.csv", content=text.encode(), by=cast.coordinator))


def imported(study: Study, text: str, cast: Cast) -> dict[str, Any]:
    table = case_tables.upload(study, arm="", name="t.csv", content=text.encode(), by=cast.coordinator)
    version = truth.import_table(table, by=cast.coordinator)
    return dict(CaseTruth.objects.get(version=version).values)


@pytest.mark.parametrize("broken", ["yes", "Broken", "YES", "1", "true", "present"])
def test_answers_are_kept_as_readers_give_them(hips: Study, cast: Cast, broken: str) -> None:
    case_for(hips)
    kept = imported(hips, f'Case,fracture,size,sides\n1,{broken},"12,5",Left hip; right\n', cast)
    assert kept == {"fracture": "yes", "size": 12.5, "sides": ["left", "right"]}


def test_a_cell_that_is_no_answer_is_an_error_of_its_line(hips: Study, cast: Cast) -> None:
    case_for(hips), case_for(hips)
    matching = preview(hips, "Case,fracture,size,sides\n1,maybe,400,left\n2,no,3,right\n", cast)
    assert [row.case.number for row in matching.matched] == [2]
    assert [(error.line, error.what) for error in matching.errors] == [
        (2, 'fracture: "maybe" is no answer to "Is it broken?". Choose among yes, no.'),
        (2, 'size: "400" is no answer to "Size". Give a number from 0 to 90 in mm.'),
    ]


def test_boxes_are_kept_as_drawings_and_join_what_is_known(hips: Study, cast: Cast) -> None:
    case = case_for(hips)
    image = image_of(case)
    imported(hips, "Case,fracture,size,sides\n1,yes,3,left\n", cast)
    boxes = f"Case,SOPInstanceUID,left,top,right,bottom,label\n1,{image},10,20,30,40,Neck\n1,{image},1,2,3,4.5,\n"
    kept = imported(hips, boxes, cast)
    assert kept["fracture"] == "yes"
    assert kept["place"] == [
        {"type": "box", "SOPInstanceUID": image, "points": [[10, 20], [30, 40]], "label": "Neck"},
        {"type": "box", "SOPInstanceUID": image, "points": [[1, 2], [3, 4.5]]},
    ]
    assert dict(CaseTruth.objects.get().words)["place"] == "2 boxes"


def test_an_empty_row_says_that_there_is_no_box(hips: Study, cast: Cast) -> None:
    case_for(hips)
    assert imported(hips, "Case,SOPInstanceUID,left,top,right,bottom\n1,,,,,\n", cast) == {"place": []}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,IMAGE,10,20,300,40", "does not lie in its image of 100 x 200 pixels"),
        ("1,IMAGE,30,20,10,40", "left before right"),
        ("1,1.2.9,10,20,30,40", "none of this case's exam"),
        ("1,IMAGE,10,,30,40", "top is empty"),
        ("1,IMAGE,ten,20,30,40", "numbers of pixels"),
    ],
)
def test_a_row_that_is_no_box_spoils_its_case_with_its_line(hips: Study, cast: Cast, row: str, sentence: str) -> None:
    image = image_of(case_for(hips))
    head = f"Case,SOPInstanceUID,left,top,right,bottom\n1,{image},1,2,3,4\n"
    matching = preview(hips, head + row.replace("IMAGE", image) + "\n", cast)
    assert not matching.matched
    [error] = matching.errors
    assert error.line == 3 and sentence in error.what and "No box of case 1 is taken" in error.what


def test_where_truth_is_boxes_alone_another_table_is_refused(cast: Cast) -> None:
    reference = {"source": "import", "answers": ["place"], "form": "hip"}
    study = study_with_ai("places", arms=[], pipelines=[], forms=[FORM], reference=reference)
    case_for(study)
    with pytest.raises(TableUnreadable, match="The truth is boxes"):
        preview(study, "Case,place\n1,here\n", cast)
