"""How far two pipelines agree on one structure of one exam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from django.core.cache import cache
from pydicom import Dataset

from dicom_ingest.models import Series
from inference import agreement, comparisons
from inference.agreement import NotComparable, shared_structures
from inference.models import Agreement, Job, Result
from inference.operators.loading import load_volume
from tests.inference.series import source
from tests.inference.stored import LIVER, SPLEEN, Box, pipeline_of, received_series, stored, version_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]

ORGANS = pipeline_of("organs", ("Liver", LIVER), ("Spleen", SPLEEN))
TRANSPLANT = pipeline_of("transplant", ("Whole liver", LIVER))
HERE: Box = (slice(1, 3), slice(1, 3), slice(2, 6))
THERE: Box = (slice(1, 3), slice(1, 3), slice(4, 6))
ELSEWHERE: Box = (slice(3, 4), slice(3, 4), slice(0, 1))
VOXEL_ML = 2.0 * 1.0 * 1.0 / 1000


@pytest.fixture
def series() -> list[Dataset]:
    cache.clear()
    return received_series()[0]


@pytest.fixture
def organs(series: list[Dataset], tmp_path: Path) -> Result:
    return stored(ORGANS, series, [HERE, ELSEWHERE], folder=tmp_path)


def test_two_pipelines_are_compared_on_what_both_segment(organs: Result, series: list[Dataset], tmp_path: Path) -> None:
    assert comparisons.compare_waiting() == 0
    transplant = stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    assert comparisons.compare_waiting() == 1
    row = Agreement.objects.get()
    assert (row.first, row.second, row.structure) == (organs, transplant, "Liver")
    assert row.dice == pytest.approx(2 * 8 / (16 + 8))
    assert (row.first_ml, row.second_ml) == pytest.approx((16 * VOXEL_ML, 8 * VOXEL_ML))
    assert not agreement.waiting()


def test_it_does_not_matter_which_of_the_two_is_looked_at(
    organs: Result, series: list[Dataset], tmp_path: Path
) -> None:
    transplant = stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    [one] = agreement.compare(transplant)
    [again] = agreement.compare(organs)
    assert one.pk == again.pk
    assert (again.first, again.second) == (organs, transplant)
    assert again.first_ml == pytest.approx(16 * VOXEL_ML)


def test_a_newer_result_is_compared_anew(organs: Result, series: list[Dataset], tmp_path: Path) -> None:
    stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    comparisons.compare_waiting()
    Job.objects.filter(pk=organs.job_id).update(state=Job.State.SUPERSEDED)
    newer = stored(ORGANS, series, [THERE, ELSEWHERE], folder=tmp_path)
    assert comparisons.compare_waiting() == 1
    assert Agreement.objects.get(second=newer).dice == 1.0


def test_reruns_and_other_series_are_not_compared(organs: Result, series: list[Dataset], tmp_path: Path) -> None:
    stored(TRANSPLANT, series, [THERE], folder=tmp_path, rerun_of=organs.job)
    other = stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    elsewhere = Series.objects.create(exam=organs.exam, series_instance_uid="1.2.3.99", modality="MR")
    Job.objects.filter(pk=other.job_id).update(input_series=elsewhere)
    assert agreement.compare_waiting() == 0


def test_a_segmentation_that_cannot_be_read_is_left_alone_for_a_while(
    organs: Result, series: list[Dataset], tmp_path: Path, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transplant = stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    assert transplant.segmentation is not None
    [file] = (store / "exams").rglob(f"{transplant.segmentation.instances.get().sop_instance_uid}.dcm")
    whole = file.read_bytes()
    file.write_bytes(b"")
    assert comparisons.compare_waiting() == 0
    assert "is compared with no other for now" in caplog.text
    file.write_bytes(whole)
    assert comparisons.compare_waiting() == 0
    cache.clear()
    assert comparisons.compare_waiting() == 1


def spoil(result: Result, store: Path, change: Callable[[Dataset], None]) -> None:
    """Let `change` have its way with the header of the result's stored segmentation."""
    assert result.segmentation is not None
    [file] = (store / "exams").rglob(f"{result.segmentation.instances.get().sop_instance_uid}.dcm")
    segmentation = pydicom.dcmread(file)
    change(segmentation)
    segmentation.save_as(file)


def _larger_pixels(segmentation: Dataset) -> None:
    segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [1.5, 1.5]


def _wider_gaps(segmentation: Dataset) -> None:
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices = 1.5 * measures.SpacingBetweenSlices
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        *within, across = group.PlanePositionSequence[0].ImagePositionPatient
        group.PlanePositionSequence[0].ImagePositionPatient = [*within, 1.5 * across]


def _shifted(segmentation: Dataset) -> None:
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0].ImagePositionPatient
        group.PlanePositionSequence[0].ImagePositionPatient = [position[0] + 1, *position[1:]]


@pytest.mark.parametrize("change", [_larger_pixels, _wider_gaps, _shifted])
def test_a_segmentation_that_contradicts_its_source_is_not_measured(
    organs: Result, series: list[Dataset], tmp_path: Path, store: Path, change: Callable[[Dataset], None]
) -> None:
    transplant = stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    spoil(transplant, store, change)
    with pytest.raises(
        NotComparable, match=r"but the series that it was made from is 5 x 6 x 7 voxels of 2 x 1 x 1 mm"
    ):
        agreement.compare(organs)
    assert not Agreement.objects.exists()


def test_without_the_source_series_no_volume_is_computed(
    organs: Result, series: list[Dataset], tmp_path: Path, store: Path
) -> None:
    stored(TRANSPLANT, series, [THERE], folder=tmp_path)
    [file] = (store / "exams").rglob(f"{series[0].SOPInstanceUID}.dcm")
    file.unlink()
    with pytest.raises(NotComparable, match="The series that it was made from cannot be read"):
        agreement.compare(organs)


def test_the_grid_of_the_source_is_that_of_load_volume(organs: Result, series: list[Dataset]) -> None:
    loaded = load_volume(source(series))
    assert loaded.get_geometry().geometry_equal(agreement.source_grid(organs.job.input_series))


def test_structures_are_shared_by_their_code_and_where_that_is_not_one_by_their_label() -> None:
    organs = version_of(ORGANS)
    whole = version_of(pipeline_of("whole", ("Liver, whole", LIVER)))
    lobes = version_of(pipeline_of("lobes", ("Left lobe", LIVER), ("Right lobe", LIVER)))
    halves = version_of(pipeline_of("halves", ("Left lobe", LIVER), ("Rest", LIVER)))
    [one] = shared_structures(organs, whole)
    assert (one.name, one.first, one.second) == ("Liver", "Liver", "Liver, whole")
    assert shared_structures(organs, lobes) == []
    assert [one.name for one in shared_structures(lobes, halves)] == ["Left lobe"]
