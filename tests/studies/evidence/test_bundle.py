"""The export of a study: every answer is in it, everything explained, nobody named, and nothing that is run."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from feedback.models import Response
from studies.evidence import bundle, tables
from studies.evidence.bundle import TABLES, Bundle
from studies.evidence.scope import Scope
from studies.models import Case, Read, Study
from studies.protocols.protocol_document import parse
from tests.studies.evidence.evidence import IDENTIFYING, read_study
from tests.studies.reading.reading import Bench

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def one() -> Bench:
    return read_study()


def made(study: Study, **scope: Any) -> Bundle:
    return bundle.make(Scope(study=study, **scope), by="board", at=AT, audit_head="f" * 64)


def unpacked(exported: Bundle) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(exported.content.read())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def frame(files: dict[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(files[name]), dtype=str, keep_default_na=False)


def test_a_row_is_an_answer_with_labels_beside_ids(one: Bench) -> None:
    answers = frame(unpacked(made(one.study)), "responses.csv")
    assert len(answers) == sum(len(response.answers) for response in Response.objects.all())
    verdict = answers[(answers.question == "verdict") & (answers.arm == "ai")].iloc[0]
    assert verdict.study == "glioma"
    assert (verdict.answer, verdict.answer_label) == ("accept-with-edits", "Accept with edits")
    assert (verdict.arm_label, verdict.question_label) == ("Model of the study", "Verdict")
    assert (verdict.pipeline, verdict.pipeline_version, verdict.pipeline_digest) == (
        "brain-extraction",
        "1.0.0",
        "d" * 64,
    )
    assert set(answers.arm) == {"ai", "alone"}
    several = answers[answers.question == "failure-modes"].iloc[0]
    assert (several.answer, several.answer_label) == ("over-segmentation|other", "Over-segmentation, Other")
    assert set(answers.reader_role) == {"Expert", ""}
    assert answers.groupby("reader").ngroups == 2


def test_what_was_amended_stays_and_is_told_from_what_counts(one: Bench) -> None:
    answers = frame(unpacked(made(one.study)), "responses.csv")
    quality = answers[answers.question == "quality"]
    assert list(quality[quality.counts == "false"].answer) == ["4"]
    amendment = quality[quality.amends != ""].iloc[0]
    assert amendment.answer == "2"
    assert amendment.amendment_reason == "[withheld] moved, =HYPERLINK(1)"
    assert (quality.counts == "true").sum() == Read.objects.filter(state="submitted").count()


def test_every_table_has_rows_and_each_column_is_explained(one: Bench) -> None:
    exported = made(one.study)
    files = unpacked(exported)
    explained = frame(files, "dictionary.csv")
    for name, data in files.items():
        if not name.endswith(".csv"):
            continue
        columns = list(explained[explained.file == name].column)
        assert next(csv.reader(io.StringIO(data.decode()))) == columns, name
        assert all(explained[explained.file == name].meaning), name
        assert all(f"  {column} " in files["dictionary.txt"].decode() for column in columns), name
    assert {file for file in files if file.endswith(".csv")} == {*(table.file for table in TABLES), "dictionary.csv"}
    empty = {one.file for one in exported.files if one.file.endswith(".csv") and not one.rows}
    assert empty == {"corrections.csv"}
    assert parse(files["protocol.yaml"].decode()).title == one.study.title


def test_findings_have_volumes_probabilities_and_places(one: Bench) -> None:
    found = frame(unpacked(made(one.study)), "findings.csv")
    case = found[(found.case == "1") & (found.arm == "ai")]
    assert list(zip(case.kind, case.name, case["item"], case.value, case.unit, strict=True)) == [
        ("measurement", "Volume", "Lesion", "12.5", "ml"),
        ("class", "Grade", "high", "0.75", ""),
        ("class", "Grade", "low", "0.25", ""),
        ("box", "Left", "lesion", "0.5", ""),
    ]
    [box] = case[case.kind == "box"].to_dict("records")
    assert (box["left"], box["top"], box["right"], box["bottom"]) == ("2.0", "1.0", "4.0", "3.0")
    assert box["image"].startswith("2.25.")
    assert list(found[found.arm == "novice"].kind) == ["nothing", "nothing"]


def test_only_truth_that_is_locked_is_in_it(one: Bench) -> None:
    files = unpacked(made(one.study))
    truth = frame(files, "truth.csv")
    assert list(zip(truth.case, truth.name, truth.value, truth.truth_version, strict=True)) == [
        ("1", "diagnosis", "'-glioma", "1"),
        ("1", "quality", "4", "1"),
        ("2", "diagnosis", "'-glioma", "1"),
        ("2", "quality", "4", "1"),
    ]
    assert b"not-locked" not in b"".join(files.values())


def test_cases_say_where_they_stand(one: Bench) -> None:
    cases = frame(unpacked(made(one.study)), "cases.csv")
    assert list(cases.case) == ["1", "2"]
    assert list(cases.box_label) == ["Analysed", "Analysed"]
    assert list(cases.patient_age) == ["90", ""]
    assert list(cases.exam_day) == ["0", ""]
    assert list(cases.reads_submitted) == ["4", "4"]


def test_no_byte_of_it_names_a_patient_or_a_reader(one: Bench) -> None:
    exams = [case.exam for case in Case.objects.filter(study=one.study).select_related("exam")]
    secrets = {*IDENTIFYING, "anna", "berta", "checker"}
    secrets |= {text.lower() for exam in exams for text in (exam.study_instance_uid, "1.2.826.0.1.3680043.8.498.77.1")}
    for name, data in unpacked(made(one.study)).items():
        text = data.decode().lower()
        told = {secret for secret in secrets if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text)}
        assert not told, (name, told)


def test_readers_have_their_names_where_the_protocol_says_so() -> None:
    one = read_study(blinding={"readers": "blinded", "patient": "hidden", "reader_names": "named"})
    files = unpacked(made(one.study))
    assert set(frame(files, "responses.csv").reader) == {"anna", "berta"}
    assert set(frame(files, "quality.csv").reviewer) == {"checker"}


def test_pilot_and_real_cases_are_never_in_one_export(one: Bench) -> None:
    pilot = one.case(is_pilot=True)
    real, of_pilot = (
        frame(unpacked(made(one.study)), "cases.csv"),
        frame(unpacked(made(one.study, is_pilot=True)), "cases.csv"),
    )
    assert list(of_pilot.case) == [str(pilot.number)]
    assert str(pilot.number) not in set(real.case)
    assert set(real.is_pilot) | {"true"} == {"true", "false"}
    assert set(frame(unpacked(made(one.study)), "responses.csv").is_pilot) == {"false"}


def test_the_same_rows_give_the_same_bytes(one: Bench) -> None:
    first, again = made(one.study), made(one.study)
    assert first.files == again.files
    assert first.sha256 == again.sha256 == hashlib.sha256(first.content.read()).hexdigest()
    assert first.name == "glioma-real-20260331T120000Z.zip"


def test_the_page_at_its_head_says_of_what_when_and_by_whom(one: Bench) -> None:
    exported = made(one.study)
    files = unpacked(exported)
    page = files["README.txt"].decode()
    assert "Protocol    version 1, in force" in page
    assert "Made        2026-03-31 12:00:00 UTC by board" in page
    assert "Truth       version 1, locked" in page
    for written in exported.files:
        assert hashlib.sha256(files[written.file]).hexdigest() == written.sha256
        assert written.sha256 in page


def test_a_cell_that_a_spreadsheet_would_calculate_is_harmless(one: Bench) -> None:
    for name, data in unpacked(made(one.study)).items():
        if name.endswith(".csv"):
            cells = [cell for row in csv.reader(io.StringIO(data.decode())) for cell in row]
            assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@"} and not _is_number(cell)], name
    assert "'@home" in frame(unpacked(made(one.study)), "quality.csv").note[0]


def test_without_a_key_nothing_leaves(one: Bench, settings: Settings) -> None:
    settings.OVERREAD_BLINDING_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="OVERREAD_BLINDING_KEY"):
        made(one.study)


def test_a_study_without_anything_gives_tables_with_their_heads(study: Study) -> None:
    exported = made(study)
    files = unpacked(exported)
    assert exported.rows == 0
    assert len(frame(files, "responses.csv").columns) == len(TABLES[0].columns)


def test_a_table_takes_as_many_queries_for_many_cases_as_for_few(one: Bench) -> None:
    few = {table.file: _queries(table, one.study) for table in TABLES}
    for _ in range(3):
        one.case()
    assert {table.file: _queries(table, one.study) for table in TABLES} == few


def _queries(table: tables.Table, study: Study) -> int:
    with CaptureQueriesContext(connection) as context:
        list(tables.lines(table, Scope(study=study)))
    return len(context)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
