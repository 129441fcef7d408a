"""What a run is told of the patient's earlier exams, and what is kept of what it made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dicom_ingest.models import Exam, Series
from inference import orders, pipeline, results
from inference.dispatch import submit
from inference.execution import Classified, FoundBox, Measured, ObjectFile, Report
from inference.models import Finding, Job, Measurement, PipelineVersion, Result
from inference.registration import register
from tests.inference.conftest import MakeJob
from tests.inference.received import receive
from tests.inference.series import Patient, mr_series, numbered_voxels

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]

COMPARES = """\
name: compares
version: "1.0.0"
title: Compares
description: Compares with earlier exams.
input:
  take: all
  conditions:
    - when: series.Modality == "MR"
      otherwise: The series is not MR.
steps:
  - id: earlier
    operator: test-looks-back
    inputs: {series: input, prior: prior, history: history}
outputs:
  measurements:
    - {step: earlier, name: Earlier exams, unit: "1", concept: {value: "1", scheme: 99TEST, meaning: Number}}
"""


def exam_of(day: str, *, patient_id: str = "DEMO-0001", numbers: tuple[int, ...] = (3,)) -> Job:
    """A job of the comparing pipeline on an exam of that day with a series of each number."""
    from tests.inference import looks_back  # noqa: F401 - registers the operator

    patient = Patient(patient_id, f"1.2.826.0.1.3680043.8.498.{day}", day)
    instances = [
        one for number in numbers for one in mr_series(numbered_voxels(), patient=patient, series_number=number)
    ]
    return submit(pipeline.parse(COMPARES), receive(instances))


def succeeded(job: Job, value: float) -> Result:
    Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED)
    result = Result.objects.create(job=job, exam=job.exam)
    Measurement.objects.create(result=result, name="Lesion", value=value, unit="ml")
    return result


def test_all_series_that_fit_are_read_where_the_pipeline_takes_all(tmp_path: Path) -> None:
    job = exam_of("20250101", numbers=(3, 4))
    order = orders.work_order(job, out=tmp_path)
    assert len(order.files) == 2 * len(numbered_voxels())
    assert len({file.parent for file in order.files}) == 2
    assert all(file.is_file() for file in order.files)
    assert "2 series meet every condition and are taken together" in job.selection


def test_history_is_what_the_pipeline_measured_in_earlier_exams_of_the_patient_oldest_first(tmp_path: Path) -> None:
    for day, value in (("20240601", 11.0), ("20240101", 12.0), ("20260101", 99.0)):
        succeeded(exam_of(day), value)
    succeeded(exam_of("20230101", patient_id="ANOTHER"), 50.0)
    order = orders.work_order(exam_of("20250101"), out=tmp_path)
    assert [(one.study_date, one.measurements["Lesion"]) for one in order.history] == [
        (date(2024, 1, 1), (12.0, "ml")),
        (date(2024, 6, 1), (11.0, "ml")),
    ]


def test_the_prior_is_the_series_taken_in_the_latest_earlier_exam_and_part_of_what_the_job_is_unique_by(
    tmp_path: Path,
) -> None:
    for day in ("20240101", "20240601", "20260101"):
        succeeded(exam_of(day), 1.0)
    job = exam_of("20250101")
    assert job.prior_series is not None
    assert job.prior_series.exam.study_date == date(2024, 6, 1)
    assert len(orders.work_order(job, out=tmp_path).prior_files) == len(numbered_voxels())
    assert exam_of("20250101").pk == job.pk

    succeeded(exam_of("20240901"), 1.0)
    renewed = exam_of("20250101")
    assert renewed.pk != job.pk
    job.refresh_from_db()
    assert job.state == Job.State.SUPERSEDED


def test_a_patient_without_an_id_has_no_history(tmp_path: Path) -> None:
    succeeded(exam_of("20240101", patient_id=""), 1.0)
    job = exam_of("20250101", patient_id="")
    assert job.prior_series is None
    assert orders.work_order(job, out=tmp_path).history == ()


def test_a_report_crosses_a_process_boundary_unchanged(tmp_path: Path) -> None:
    order = orders.work_order(exam_of("20250101"), out=tmp_path)
    assert type(order).model_validate_json(order.model_dump_json()) == order
    assert order.pipeline.digest == order.digest


REPORT = Report(
    measurements=(Measured(name="Liver", value=1023.5, unit="ml", structure="Liver", alert_change_percent=None),),
    boxes=(
        FoundBox(
            region="left hip",
            finding="fracture",
            probability=0.7,
            probabilities={"fracture": 0.7, "normal": 0.3},
            top=1,
            left=2,
            bottom=3,
            right=4,
            sop_instance_uid="1.2.3",
        ),
    ),
    classifications=(
        Classified(name="Chest", label="normal", probabilities={"normal": 0.9}, sop_instance_uids=("1.2.4",)),
    ),
    is_urgent=True,
    notes=("No baseline.", "No baseline."),
    files=(),
)


def test_numbers_and_findings_of_a_report_are_rows_of_the_result(make_job: MakeJob) -> None:
    result = results.store(make_job(), REPORT)
    assert result.is_urgent
    assert result.notes == "No baseline."
    (volume,) = result.measurements.all()
    assert (volume.name, volume.value, volume.structure) == ("Liver", 1023.5, "Liver")
    box, chest = result.findings.all()
    assert (box.kind, box.name, box.label, box.probability) == (Finding.Kind.BOX, "left hip", "fracture", 0.7)
    assert (box.top, box.left, box.bottom, box.right) == (1, 2, 3, 4)
    assert (chest.kind, chest.name, chest.label, chest.probability) == (Finding.Kind.CLASS, "Chest", "normal", 0.9)


def test_a_file_that_is_not_dicom_is_kept_beside_the_store_with_its_hash(
    make_job: MakeJob, tmp_path: Path, store: Path
) -> None:
    file = tmp_path / "labels.nii.gz"
    file.write_bytes(b"labels")
    store.mkdir()
    report = REPORT.model_copy(update={"files": (ObjectFile(kind="nifti", path=file, description="Labels"),)})
    result = results.store(make_job(), report)
    (kept,) = result.files.all()
    assert (store / kept.path).read_bytes() == b"labels"
    assert kept.sha256 == hashlib.sha256(b"labels").hexdigest()
    assert kept.series is None
    assert file.exists()  # for another attempt, should the transaction fail


def test_of_a_result_that_cannot_be_stored_no_file_is_kept(make_job: MakeJob, tmp_path: Path, store: Path) -> None:
    file = tmp_path / "labels.nii.gz"
    file.write_bytes(b"labels")
    store.mkdir()
    lost = ObjectFile(kind="nifti", path=tmp_path / "lost.nii.gz", description="Lost")
    report = REPORT.model_copy(update={"files": (ObjectFile(kind="nifti", path=file, description="Labels"), lost)})
    with pytest.raises(FileNotFoundError):
        results.store(make_job(), report)
    assert [path for path in store.rglob("*") if path.is_file()] == []


def test_a_rerun_is_never_the_current_result(
    make_job: MakeJob, make_result: Callable[[Job], Result], version: PipelineVersion
) -> None:
    first = make_job(state=Job.State.SUCCEEDED)
    again = make_job(state=Job.State.SUCCEEDED, rerun_of=first)
    shown = make_result(first)
    make_result(again)
    assert list(Result.objects.current()) == [shown]


def test_registering_a_pipeline_without_a_model_needs_no_model() -> None:
    from tests.inference import looks_back  # noqa: F401 - registers the operator

    assert register(pipeline.parse(COMPARES)).registered_models.count() == 0
    assert Exam.objects.count() == Series.objects.count() == 0
