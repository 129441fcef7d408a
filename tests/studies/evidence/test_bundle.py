"""The export of a study: every answer is in it, everything explained, nobody named, and nothing that is run."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker, Settings

from dicom_ingest.models import Exam, Series
from feedback.models import CorrectedStructure, Correction, Response
from studies.evidence import bundle, cells, current, tables
from studies.evidence.bundle import TABLES, Bundle
from studies.evidence.scope import Scope
from studies.evidence.shown import ShownLine
from studies.models import Case, Read, ReadReport, Study
from studies.protocols.protocol_document import parse
from studies.reading import assignment
from tests.studies.evidence.evidence import IDENTIFYING, answer, read_study
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

Files = dict[str, bytes]
Rows = list[dict[str, str]]
AT = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Exported:
    """What came of one study: its files, the same of its pilot, and what stood in the database meanwhile."""

    bundle: Bundle
    files: Files
    again: Bundle
    pilot: Files
    numbers: tuple[ShownLine, ...]
    answers: int
    submitted: int
    uids: frozenset[str]


@pytest.fixture(scope="module")
def exported(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Exported:
    """A study that was read, exported once for all tests that look at files alone; nothing of it is kept."""
    with django_db_blocker.unblock(), transaction.atomic():
        one = read_study()
        _draw_and_correct(one)
        one.case(is_pilot=True)
        bundle_made = made(one.study)
        found = Exported(
            bundle=bundle_made,
            files=unpacked(bundle_made),
            again=made(one.study),
            pilot=unpacked(made(one.study, is_pilot=True)),
            numbers=tuple(current.numbers_of(Scope(study=one.study)).every),
            answers=sum(len(response.answers) for response in Response.objects.all()),
            submitted=Read.objects.filter(state="submitted").count(),
            uids=frozenset(Case.objects.values_list("exam__study_instance_uid", flat=True)),
        )
        transaction.set_rollback(True)
    return found


def _draw_and_correct(one: Bench) -> None:
    """One read with two sets of drawings, and a correction of what it showed."""
    read = Read.objects.filter(case__number=1, condition="ai").order_by("pk")[:1].get()
    exam = read.case.exam
    series = [
        Series.objects.create(exam=exam, series_instance_uid=f"1.2.3.{at}", modality=modality)
        for at, modality in enumerate(("SR", "SR", "SEG", "SEG"), start=1)
    ]
    for report, length in zip(series[:2], (8.5, 9.5), strict=True):
        values = [{"name": "Length", "value": length, "unit": "mm"}]
        drawn = {"finding": "Lesion", "label": "of Zebulon", "values": values}
        ReadReport.objects.create(
            read=read,
            series=report,
            measurements=[drawn],
            sent_uid=report.series_instance_uid,
            made_at=AT.replace(hour=int(length)),
        )
    correction = Correction.objects.create(
        predecessor=series[2],
        series=series[3],
        result=exam.results.get(),
        exam=exam,
        author=read.reader,
        sitting=f"read/{read.pk}",
    )
    CorrectedStructure.objects.create(
        correction=correction, number=1, label="Lesion", ml=10.0, before_ml=12.5, dice=0.9, added_ml=0.5, removed_ml=3.0
    )


def made(study: Study, **scope: Any) -> Bundle:
    return bundle.make(Scope(study=study, **scope), by="board", at=AT, audit_head="f" * 64)


def unpacked(exported: Bundle) -> Files:
    exported.content.seek(0)
    with zipfile.ZipFile(exported.content) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def table(files: Files, name: str) -> Rows:
    return list(csv.DictReader(io.StringIO(files[name].decode(), newline="")))


def column(rows: Rows, name: str) -> list[str]:
    return [row[name] for row in rows]


def test_a_row_is_an_answer_with_labels_beside_ids(exported: Exported) -> None:
    answers = table(exported.files, "responses.csv")
    assert len(answers) == exported.answers
    verdict = next(row for row in answers if (row["question"], row["arm"]) == ("verdict", "ai"))
    assert verdict["study"] == "glioma"
    assert (verdict["answer"], verdict["answer_label"]) == ("accept-with-edits", "Accept with edits")
    assert (verdict["arm_label"], verdict["question_label"]) == ("Model of the study", "Verdict")
    made_by = (verdict["pipeline"], verdict["pipeline_version"], verdict["pipeline_digest"])
    assert made_by == ("brain-extraction", "1.0.0", "d" * 64)
    several = next(row for row in answers if row["question"] == "failure-modes")
    assert (several["answer"], several["answer_label"]) == ("over-segmentation|other", "Over-segmentation, Other")
    assert set(column(answers, "arm")) == {"ai", "alone"}
    assert set(column(answers, "reader_role")) == {"Expert", ""}
    assert len(set(column(answers, "reader"))) == 2


def test_what_was_amended_stays_and_is_told_from_what_counts(exported: Exported) -> None:
    quality = [row for row in table(exported.files, "responses.csv") if row["question"] == "quality"]
    assert [row["answer"] for row in quality if row["counts"] == "false"] == ["4"]
    [amendment] = [row for row in quality if row["amends"]]
    assert amendment["answer"] == "2"
    assert amendment["amendment_reason"] == "[withheld] moved, =HYPERLINK(1)"
    assert column(quality, "counts").count("true") == exported.submitted


def test_every_table_has_rows_and_each_column_is_explained(exported: Exported) -> None:
    files = exported.files
    explained = table(files, "dictionary.csv")
    in_it = {name for name in files if name.endswith(".csv")}
    assert in_it == {*(each.file for each in TABLES), "dictionary.csv"}
    for name in in_it:
        about = [row for row in explained if row["file"] == name]
        assert next(csv.reader(io.StringIO(files[name].decode()))) == column(about, "column"), name
        assert all(column(about, "meaning")), name
        assert all(f"  {each} " in files["dictionary.txt"].decode() for each in column(about, "column")), name
    assert not [one.file for one in exported.bundle.files if one.file.endswith(".csv") and not one.rows]
    assert parse(files["protocol.yaml"].decode()).title == "Glioma"


def test_the_numbers_are_those_of_the_page(exported: Exported) -> None:
    numbers = table(exported.files, "results.csv")
    assert column(numbers, "what") == [line.what for line in exported.numbers]
    assert column(numbers, "estimate") == [cells.written(line.line.value) for line in exported.numbers]
    assert column(numbers, "n") == [str(line.line.of) for line in exported.numbers]
    assert {row["endpoint"] for row in numbers if row["is_primary"] == "true"} == {"quality"}


def test_findings_have_volumes_probabilities_and_places(exported: Exported) -> None:
    found = table(exported.files, "findings.csv")
    case = [row for row in found if (row["case"], row["arm"]) == ("1", "ai")]
    assert [(row["kind"], row["name"], row["item"], row["value"], row["unit"]) for row in case] == [
        ("measurement", "Volume", "Lesion", "12.5", "ml"),
        ("class", "Grade", "high", "0.75", ""),
        ("class", "Grade", "low", "0.25", ""),
        ("box", "Left", "lesion", "0.5", ""),
    ]
    box = case[-1]
    assert (box["left"], box["top"], box["right"], box["bottom"]) == ("2.0", "1.0", "4.0", "3.0")
    assert box["image"].startswith("2.25.")
    assert [row["kind"] for row in found if row["arm"] == "novice"] == ["nothing", "nothing"]


def test_only_truth_that_is_locked_is_in_it(exported: Exported) -> None:
    truth = table(exported.files, "truth.csv")
    assert [(row["case"], row["name"], row["value"], row["truth_version"]) for row in truth] == [
        ("1", "diagnosis", "'-glioma", "1"),
        ("1", "quality", "4", "1"),
        ("2", "diagnosis", "'-glioma", "1"),
        ("2", "quality", "4", "1"),
    ]
    assert b"not-locked" not in b"".join(exported.files.values())


def test_cases_say_where_they_stand(exported: Exported) -> None:
    wanted = ("case", "box_label", "patient_age", "exam_day", "reads_submitted")
    assert [tuple(row[name] for name in wanted) for row in table(exported.files, "cases.csv")] == [
        ("1", "Analysed", "90", "0", "4"),
        ("2", "Analysed", "", "", "4"),
    ]


def test_what_readers_drew_is_in_it_and_the_newest_of_a_read_counts(exported: Exported) -> None:
    drawn = table(exported.files, "measurements.csv")
    assert [(row["value"], row["unit"], row["counts"], row["label"]) for row in drawn] == [
        ("9.5", "mm", "true", "of [withheld]"),
        ("8.5", "mm", "false", "of [withheld]"),
    ]


def test_corrections_are_in_it_structure_by_structure(exported: Exported) -> None:
    [row] = table(exported.files, "corrections.csv")
    volumes = (row["before_ml"], row["corrected_ml"], row["added_ml"], row["removed_ml"], row["dice"])
    assert volumes == ("12.5", "10.0", "0.5", "3.0", "0.9")
    assert (row["arm"], row["pipeline"], row["hausdorff95_mm"]) == ("ai", "brain-extraction", "")
    assert row["read"] in column(table(exported.files, "responses.csv"), "read")


def test_no_byte_of_it_names_a_patient_or_a_reader(exported: Exported) -> None:
    secrets = {*IDENTIFYING, "anna", "berta", "checker", "1.2.826.0.1.3680043.8.498.77.1", *exported.uids}
    for name, data in exported.files.items():
        text = data.decode().lower()
        told = {secret for secret in secrets if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text)}
        assert not told, (name, told)


def test_pilot_and_real_cases_are_never_in_one_export(exported: Exported) -> None:
    assert column(table(exported.files, "cases.csv"), "case") == ["1", "2"]
    assert set(column(table(exported.files, "responses.csv"), "is_pilot")) == {"false"}
    assert column(table(exported.pilot, "cases.csv"), "case") == ["3"]
    assert table(exported.pilot, "responses.csv") == []


def test_the_same_rows_give_the_same_bytes(exported: Exported) -> None:
    first, again = exported.bundle, exported.again
    assert first.files == again.files
    again.content.seek(0)
    assert first.sha256 == again.sha256 == hashlib.sha256(again.content.read()).hexdigest()
    assert first.name == "glioma-real-20260331T120000Z.zip"


def test_the_page_at_its_head_says_of_what_when_and_by_whom(exported: Exported) -> None:
    page = exported.files["README.txt"].decode()
    assert "Protocol    version 1, in force" in page
    assert "Made        2026-03-31 12:00:00 UTC by board" in page
    assert "Truth       version 1, locked" in page
    for written in exported.bundle.files:
        assert hashlib.sha256(exported.files[written.file]).hexdigest() == written.sha256
        assert written.sha256 in page


def test_a_cell_that_a_spreadsheet_would_calculate_is_harmless(exported: Exported) -> None:
    for name, data in exported.files.items():
        if name.endswith(".csv"):
            every = [cell for row in csv.reader(io.StringIO(data.decode())) for cell in row]
            assert not [cell for cell in every if cell[:1] in {"=", "+", "-", "@"} and not _is_number(cell)], name
    assert table(exported.files, "quality.csv")[0]["note"] == "'@home: [withheld] lay still"


@pytest.mark.django_db
def test_readers_have_their_names_where_the_protocol_says_so() -> None:
    one = bench(INDEPENDENT, blinding={"readers": "blinded", "patient": "hidden", "reader_names": "named"})
    reader = one.reader("anna")
    one.case()
    assignment.assign()
    answer(Read.objects.get(), reader)
    files = unpacked(made(one.study))
    assert set(column(table(files, "responses.csv"), "reader")) == {"anna"}
    assert set(column(table(files, "reads.csv"), "reader")) == {"anna"}


@pytest.mark.django_db
def test_without_a_key_nothing_leaves(study: Study, exam: Exam, settings: Settings) -> None:
    settings.OVERREAD_BLINDING_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="OVERREAD_BLINDING_KEY"):
        made(study)


@pytest.mark.django_db
def test_a_study_without_anything_gives_tables_with_their_heads(study: Study) -> None:
    empty = made(study)
    files = unpacked(empty)
    assert empty.rows == 0
    assert files["responses.csv"].decode() == f"{','.join(TABLES[0].names)}\r\n"


@pytest.mark.django_db
def test_a_table_takes_as_many_queries_for_many_cases_as_for_few() -> None:
    one = read_study()
    few = {each.file: _queries(each, one.study) for each in TABLES}
    for _ in range(3):
        one.case()
    assert {each.file: _queries(each, one.study) for each in TABLES} == few


def _queries(each: tables.Table, study: Study) -> int:
    with CaptureQueriesContext(connection) as context:
        list(tables.lines(each, Scope(study=study)))
    return len(context)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
