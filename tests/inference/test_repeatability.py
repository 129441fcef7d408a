"""What is said of a rerun when its result is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from dicom_ingest.models import Series
from inference import comparisons, repeatability, runner
from inference.children import Keeper
from inference.models import Job, Result
from inference.repeatability import SAME
from inference.rerun import queue_rerun
from tests.acting import Stage
from tests.inference.stored import LIVER, Box, pipeline_of, received_series, stored, with_its_fingerprint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]

TRANSPLANT = pipeline_of("transplant", ("Liver", LIVER))
HERE: Box = (slice(1, 3), slice(1, 3), slice(2, 6))
THERE: Box = (slice(1, 3), slice(1, 3), slice(2, 5))


@pytest.fixture
def series() -> list[Dataset]:
    return received_series()[0]


@pytest.fixture
def first(series: list[Dataset], tmp_path: Path) -> Result:
    return stored(TRANSPLANT, series, [HERE], folder=tmp_path)


def said_of(again: Result) -> str:
    assert comparisons.compare_waiting() == 1
    return Job.objects.get(pk=again.job_id).comparison


def test_a_rerun_that_made_the_same_says_so(first: Result, series: list[Dataset], tmp_path: Path) -> None:
    again = stored(TRANSPLANT, series, [HERE], folder=tmp_path, rerun_of=first.job)
    assert said_of(again) == SAME
    assert comparisons.compare_waiting() == 0


def test_a_rerun_that_differs_says_in_what(first: Result, series: list[Dataset], tmp_path: Path) -> None:
    again = stored(TRANSPLANT, series, [THERE], folder=tmp_path, rerun_of=first.job, volume_ml=0.875)
    numbers, pixels = said_of(again).splitlines()
    assert numbers == "Liver volume: 0.875 ml, was 1.0 ml."
    assert pixels.startswith("Segmentation (DICOM SEG): PixelData differs in 4 of ")


def test_a_rerun_that_left_other_files_says_which(first: Result, series: list[Dataset], tmp_path: Path) -> None:
    again = stored(TRANSPLANT, series, [HERE], folder=tmp_path, rerun_of=first.job)
    again.files.update(description="Structure set")
    assert said_of(again) == "Files: Structure set; were Segmentation (DICOM SEG)."


def test_what_cannot_be_compared_is_said_once(
    first: Result, series: list[Dataset], tmp_path: Path, store: Path
) -> None:
    again = stored(TRANSPLANT, series, [HERE], folder=tmp_path, rerun_of=first.job)
    assert first.segmentation is not None
    uid = first.segmentation.instances.get().sop_instance_uid
    next((store / "exams").rglob(f"{uid}.dcm")).unlink()
    assert said_of(again).startswith("The results could not be compared: FileNotFoundError")
    assert not repeatability.waiting().exists()


def test_the_series_of_a_rerun_are_set_aside(first: Result, series: list[Dataset], tmp_path: Path) -> None:
    again = stored(TRANSPLANT, series, [HERE], folder=tmp_path, rerun_of=first.job)
    current = Series.objects.current().filter(origin=Series.Origin.DERIVED)
    assert [one.pk for one in current] == [first.segmentation_id]
    assert again.segmentation_id is not None


def test_a_worker_runs_a_job_again_to_the_same_bytes(
    stage: Stage, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "keeper", keeper)
    first = stage.job(name="segmenting")
    assert runner.run_next()
    first.refresh_from_db()
    assert first.state == Job.State.SUCCEEDED, first.reason
    again = queue_rerun(with_its_fingerprint(first))
    assert runner.run_next()
    made = Result.objects.get(job=again)
    assert said_of(made) == SAME
    assert made.segmentation is not None
    assert made.segmentation.superseded_at is not None
    assert [result.job for result in Result.objects.current()] == [first]
