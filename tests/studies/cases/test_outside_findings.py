"""Findings that others make: a vendor's SEG over DICOM, and tables of outside results."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from dicom_ingest.models import AETitle, Exam
from studies.cases import arm_findings, case_flow, case_tables, outside_findings, outside_tables
from studies.cases.tables import TableUnreadable
from studies.models import ArmFinding, Case, OutsideTable, Study
from studies.protocols.protocol_schema import TableFindings
from studies.refusals import Refused
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.protocols import open_study
from tests.studies.cases.flowing import case_for, study_with_ai
from tests.studies.cases.test_screening import opened_read

pytestmark = pytest.mark.django_db

VENDOR = {
    "key": "vendor",
    "label": "Vendor",
    "findings": {"kind": "dicom", "when": 'calling_ae == "SCANNER" && series.SeriesDescription.contains("vendor")'},
}
TABLE = {"key": "radiologist", "label": "Radiologist", "findings": {"kind": "table", "columns": ["Volume", "Grade"]}}


@pytest.fixture
def liver() -> Study:
    return open_study("glioma", ae_title=AETitle.objects.create(title="GLIOMA"), arms=[VENDOR])


@pytest.fixture
def tabled() -> Study:
    return study_with_ai("tabled", arms=[TABLE], pipelines=[])


def seg(exam: Exam, number: int, description: str = "vendor tumour") -> Dataset:
    """An object with a segmentation's class; no test looks at its pixels."""
    uid = f"{exam.study_instance_uid}.{number}"
    return mr_slice(
        1, study=exam.study_instance_uid, series=uid, SOPClassUID=SegmentationStorage, Modality="SEG",
        SeriesNumber=number, SeriesDescription=description,
    )  # fmt: skip


@pytest.fixture
def case(liver: Study) -> Case:
    exam = complete(receive(mr_slice(1), called_ae="GLIOMA")[0].series.exam)
    return exam.cases.get()


def collected(case: Case, *objects: Dataset) -> None:
    receive(*objects, called_ae="GLIOMA")
    complete(case.exam)
    case_flow.advance()


def test_a_vendors_segmentation_becomes_the_arms_finding_and_a_newer_one_replaces_it(case: Case) -> None:
    collected(case, seg(case.exam, 11))
    first = arm_findings.current(case).get()
    assert (first.arm, first.series and first.series.modality) == ("vendor", "SEG")
    assert first.origin == "SCANNER to GLIOMA"
    collected(case, seg(case.exam, 12))
    newer = arm_findings.current(case).get()
    assert newer.series and newer.series.series_number == 12
    assert ArmFinding.objects.count() == 2


def test_a_segmentation_that_fits_no_arm_is_shown_with_the_reason(case: Case) -> None:
    collected(case, seg(case.exam, 11, "something else"))
    assert not ArmFinding.objects.exists()
    [stray] = outside_findings.of(case)
    assert stray.arm is None and "Vendor" in stray.explanation and "something else" in stray.explanation


def test_images_are_no_findings_and_each_object_is_looked_at_once(case: Case) -> None:
    collected(case, mr_slice(1, series=f"{case.exam.study_instance_uid}.13", SeriesDescription="vendor image"))
    assert not ArmFinding.objects.exists()
    assert outside_findings.collect() == 0


def test_once_readers_have_begun_a_newer_segmentation_replaces_nothing(case: Case, cast: Cast) -> None:
    collected(case, seg(case.exam, 11))
    opened_read(case, cast)
    collected(case, seg(case.exam, 12))
    assert ArmFinding.objects.count() == 1


def table_of(study: Study, text: str, cast: Cast, name: str = "results.csv") -> OutsideTable:
    return case_tables.upload(study, arm="radiologist", name=name, content=text.encode(), by=cast.coordinator)


def findings_of(study: Study) -> TableFindings:
    [arm] = outside_tables.arms_of(study.protocols.get().content)
    assert isinstance(arm.findings, TableFindings)
    return arm.findings


def test_a_table_is_looked_at_line_by_line_before_anything_is_kept(tabled: Study, cast: Cast) -> None:
    for accession in ("A1", "A2", "A3", "TWICE", "TWICE"):
        case_for(tabled, accession_number=accession)
    text = "Accession Number;Volume;Grade\nA1;1;2\nA9;1;2\nA2;1;2\nA2;3;4\nA3;;1\nA3;1\nTWICE;1;2\n"
    looked = outside_tables.preview(table_of(tabled, text, cast), findings_of(tabled))
    assert [(row.line, row.case.number, row.values) for row in looked.matched] == [
        (2, 1, {"Volume": "1", "Grade": "2"})
    ]
    assert [(error.line, error.what) for error in looked.unmatched] == [
        (3, "No case of this study has AccessionNumber A9."),
        (8, "2 cases have AccessionNumber TWICE. Match the table by StudyInstanceUID."),
    ]
    assert [error.line for error in looked.duplicates] == [4, 5]
    assert "line 5" in looked.duplicates[0].what
    assert [(error.line, error.what) for error in looked.errors] == [
        (6, "Volume is empty."),
        (7, "It has 2 cells, and there are 3 columns."),
    ]
    assert {case.number for case in looked.without_row} == {3, 4, 5}
    assert not ArmFinding.objects.exists()


def test_what_was_looked_at_is_kept_with_its_file_and_a_later_table_replaces_only_what_it_says(
    tabled: Study, cast: Cast
) -> None:
    one, two = case_for(tabled, accession_number="A1"), case_for(tabled, accession_number="A2")
    first = table_of(tabled, "Accession,Volume,Grade,More\nA1,1,2,x\nA2,3,4,y\n", cast)
    assert outside_tables.keep(first, findings_of(tabled), by=cast.coordinator) == 2
    kept = arm_findings.current(one).get()
    assert (kept.values, kept.table, kept.origin) == ({"Volume": "1", "Grade": "2"}, first, "results.csv")
    with pytest.raises(Refused, match="already"):
        outside_tables.keep(first, findings_of(tabled), by=cast.coordinator)
    second = table_of(tabled, "Accession,Volume,Grade\nA1,1,2\nA2,9,9\n", cast, name="mended.csv")
    assert outside_tables.keep(second, findings_of(tabled), by=cast.coordinator) == 1
    assert arm_findings.current(two).get().values == {"Volume": "9", "Grade": "9"}
    assert two.findings.exclude(replaced_at=None).get().values == {"Volume": "3", "Grade": "4"}
    with pytest.raises(IntegrityError, match="was taken"), transaction.atomic():
        OutsideTable.objects.filter(pk=first.pk).update(file_name="other.csv")


def test_a_table_without_its_columns_or_key_says_which(tabled: Study, cast: Cast) -> None:
    lacking: list[tuple[str, str]] = [
        ("Accession,Volume\nA1,1\n", "lacks Grade"),
        ("Volume,Grade\n1,2\n", "no column AccessionNumber"),
    ]
    for text, message in lacking:
        with pytest.raises(TableUnreadable, match=message):
            outside_tables.preview(table_of(tabled, text, cast), findings_of(tabled))
    with pytest.raises(Refused, match="nothing to keep"):
        outside_tables.keep(
            table_of(tabled, "Accession,Volume,Grade\nA9,1,2\n", cast), findings_of(tabled), by=cast.admin
        )


def test_a_new_upload_takes_the_place_of_one_that_was_not_kept(tabled: Study, cast: Cast) -> None:
    table_of(tabled, "Accession,Volume,Grade\nA1,1,2\n", cast)
    second = table_of(tabled, "Accession,Volume,Grade\nA1,1,2\n", cast)
    assert OutsideTable.objects.get() == second


def test_a_locked_study_takes_no_table(tabled: Study, cast: Cast) -> None:
    case_for(tabled, accession_number="A1")
    table = table_of(tabled, "Accession,Volume,Grade\nA1,1,2\n", cast)
    Study.objects.filter(pk=tabled.pk).update(stage=Study.Stage.LOCKED)
    with pytest.raises(Refused, match="locked"):
        outside_tables.keep(table, findings_of(tabled), by=cast.coordinator)


def test_ten_thousand_rows_are_matched_in_a_few_queries(
    tabled: Study, cast: Cast, django_assert_max_num_queries: Any
) -> None:
    case_for(tabled, accession_number="A7")
    rows = "".join(f"A{number},1,2\n" for number in range(10_000))
    table = table_of(tabled, f"Accession,Volume,Grade\n{rows}", cast)
    findings = findings_of(tabled)
    with django_assert_max_num_queries(3):
        looked = outside_tables.preview(table, findings)
    assert (len(looked.matched), len(looked.unmatched)) == (1, 9_999)
