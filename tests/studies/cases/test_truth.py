"""The reference standard: versions, imports, decisions, and a lock that holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from dicom_ingest.models import AETitle
from studies.cases import case_flow, case_tables, flow, truth
from studies.models import Case, CaseTruth, OutsideTable, Study, TruthVersion
from studies.refusals import Refused
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.protocols import open_study
from tests.studies.cases.flowing import case_for, study_with_ai
from tests.studies.cases.test_outside_findings import seg

pytestmark = pytest.mark.django_db

REFERENCE = {"source": "import", "answers": ["class", "size-mm"]}


@pytest.fixture
def referenced() -> Study:
    return study_with_ai("referenced", arms=[], pipelines=[], reference=REFERENCE)


def table_of(study: Study, text: str, cast: Cast) -> OutsideTable:
    return case_tables.upload(study, arm="", name="truth.csv", content=text.encode(), by=cast.coordinator)


def imported(study: Study, text: str, cast: Cast, reason: str = "") -> TruthVersion:
    return truth.import_table(table_of(study, text, cast), by=cast.coordinator, reason=reason)


def test_truth_is_imported_matched_by_case_number_and_locked(referenced: Study, cast: Cast) -> None:
    case = case_for(referenced)
    version = imported(referenced, "Case,class,size-mm\n1,benign,12\n7,malignant,3\n", cast)
    assert not truth.is_locked(referenced)
    assert truth.of_case(case) is None, "what is not locked does not count"
    truth.lock_newest(referenced, by=cast.coordinator)
    assert truth.is_locked(referenced)
    found = truth.of_case(case)
    assert found is not None and found.values == {"class": "benign", "size-mm": "12"}
    assert found.version == version


def test_a_locked_version_is_never_changed_not_even_by_sql(referenced: Study, cast: Cast) -> None:
    case, other = case_for(referenced), case_for(referenced)
    version = imported(referenced, "Case,class,size-mm\n1,benign,12\n", cast)
    truth.lock_newest(referenced, by=cast.coordinator)
    changes: list[Callable[[], object]] = [
        lambda: CaseTruth.objects.update(values={}),
        lambda: CaseTruth.objects.filter(case=case).delete(),
        lambda: CaseTruth.objects.create(version=version, case=other),
        lambda: TruthVersion.objects.update(locked_at=None),
        lambda: TruthVersion.objects.filter(pk=version.pk).delete(),
    ]
    for change in changes:
        with pytest.raises(IntegrityError, match="is locked"), transaction.atomic():
            change()
    with pytest.raises(Refused, match="locked already"):
        truth.lock_newest(referenced, by=cast.coordinator)


def test_a_new_version_begins_as_a_copy_needs_a_reason_and_counts_once_locked(referenced: Study, cast: Cast) -> None:
    one, two = case_for(referenced), case_for(referenced)
    imported(referenced, "Case,class,size-mm\n1,benign,12\n2,benign,5\n", cast)
    truth.lock_newest(referenced, by=cast.coordinator)
    with pytest.raises(Refused, match="Say why"):
        imported(referenced, "Case,class,size-mm\n2,malignant,5\n", cast)
    version = imported(referenced, "Case,class,size-mm\n2,malignant,5\n", cast, reason="Histology came")
    assert (version.number, version.reason) == (2, "Histology came")
    before = truth.of_case(two)
    assert before is not None and before.values["class"] == "benign"
    truth.lock_newest(referenced, by=cast.coordinator)
    after, kept = truth.of_case(two), truth.of_case(one)
    assert after is not None and after.values["class"] == "malignant"
    assert kept is not None and kept.values == {"class": "benign", "size-mm": "12"}


def test_what_a_panel_decides_becomes_truth(cast: Cast) -> None:
    study = study_with_ai("panel", arms=[], pipelines=[], reference={"source": "panel", "answers": ["class"]})
    case = case_for(study)
    kept = truth.record_decision(case, {"class": "malignant"}, by=cast.reader)
    assert kept.version.source == TruthVersion.Source.PANEL
    truth.record_decision(case, {"class": "benign"}, by=cast.reader)
    assert CaseTruth.objects.get().values == {"class": "benign"}
    truth.lock_newest(study, by=cast.coordinator)
    truth.record_decision(case, {"class": "unclear"}, by=cast.reader)
    newest = truth.newest(study)
    assert newest is not None and (newest.number, newest.is_locked) == (2, False)


def test_segmentations_are_chosen_by_a_condition(cast: Cast) -> None:
    study = open_study("glioma", ae_title=AETitle.objects.create(title="GLIOMA"), reference={"source": "import"})
    exam = complete(receive(mr_slice(1), called_ae="GLIOMA")[0].series.exam)
    receive(seg(exam, 11, "truth"), seg(exam, 12, "other"), called_ae="GLIOMA")
    when = 'series.Modality == "SEG" && series.SeriesDescription == "truth"'
    version = truth.import_segmentations(study, when, by=cast.coordinator)
    kept = version.cases.get()
    assert kept.series is not None and kept.series.series_number == 11
    with pytest.raises(ValueError, match="did you mean"):
        truth.find_segmentations(study, "series.SerieDescription == 1")
    with pytest.raises(Refused, match="nothing to take"):
        truth.import_segmentations(study, 'series.SeriesDescription == "none"', by=cast.coordinator)


def test_a_read_case_is_analysed_once_its_truth_is_locked(referenced: Study, cast: Cast) -> None:
    case_for(referenced)
    case_for(referenced)
    case_flow.advance()
    imported(referenced, "Case,class,size-mm\n1,benign,12\n", cast)
    assert flow.line_of(referenced).real.by_name["analysed"] == 0
    truth.lock_newest(referenced, by=cast.coordinator)
    counts = flow.line_of(referenced).real
    assert counts.adds_up
    assert (counts.by_name["enrolled"], counts.by_name["analysed"], counts.by_name["not_analysed"]) == (2, 1, 1)


def test_without_a_reference_standard_cases_are_analysed_when_the_study_is_locked(cast: Cast) -> None:
    study = study_with_ai("plain", arms=[], pipelines=[])
    case_for(study)
    case_flow.advance()
    assert truth.is_locked(study), "there is nothing to lock"
    assert flow.line_of(study).real.by_name["analysed"] == 0
    Study.objects.filter(pk=study.pk).update(stage=Study.Stage.LOCKED)
    assert flow.line_of(study).real.by_name["analysed"] == 1


def test_nothing_of_a_closed_study_changes(referenced: Study, cast: Cast) -> None:
    case = case_for(referenced)
    table = table_of(referenced, "Case,class,size-mm\n1,benign,12\n", cast)
    Study.objects.filter(pk=referenced.pk).update(stage=Study.Stage.CLOSED)
    with pytest.raises(Refused, match="closed"):
        truth.import_table(table, by=cast.coordinator)
    with pytest.raises(Refused, match="closed"):
        truth.record_decision(Case.objects.get(pk=case.pk), {"class": "x"}, by=cast.reader)
