"""From a series to a volume: where voxels lie, and what is refused, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from inference import errors
from inference.operators.loading import load_volume
from inference.operators.values import SourceSeries
from tests.inference.series import OBLIQUE, PLANES, SAGITTAL, mr_series, numbered_voxels, source, write


@pytest.mark.parametrize("plane", PLANES)
def test_every_voxel_lies_where_its_slice_says(plane: str) -> None:
    instances = mr_series(numbered_voxels(), orientation=PLANES[plane], spacing=(2.5, 0.9, 0.7))
    volume = load_volume(source(instances))
    for instance in instances:
        to_patient = hd.spatial.PixelToReferenceTransformer.for_image(instance)
        column, row = 4, 2
        (expected,) = to_patient(np.array([[column, row]]))
        (index,) = volume.map_reference_to_indices(expected[None], round_output=True)
        assert volume.array[tuple(index)] == instance.pixel_array[row, column]


@pytest.mark.parametrize("plane", PLANES)
def test_the_grid_agrees_with_highdicoms_own_reading(plane: str) -> None:
    instances = mr_series(numbered_voxels(), orientation=PLANES[plane])
    theirs = hd.get_volume_from_series(instances).match_geometry(volume := load_volume(source(instances)))
    np.testing.assert_array_equal(volume.array, theirs.array)
    assert volume.voxel_volume == pytest.approx(2.0)


def test_the_order_of_files_does_not_matter() -> None:
    instances = mr_series(numbered_voxels())
    shuffled = load_volume(source([instances[index] for index in (3, 0, 4, 1, 2)]))
    np.testing.assert_array_equal(shuffled.array, load_volume(source(instances)).array)
    np.testing.assert_array_equal(shuffled.affine, load_volume(source(instances)).affine)


def test_rescale_slope_and_intercept_are_applied_slice_by_slice() -> None:
    instances = mr_series(numbered_voxels())
    for number, instance in enumerate(instances):
        instance.RescaleSlope, instance.RescaleIntercept = 2 + number, -10
    values = load_volume(source(instances)).array
    expected = numbered_voxels() * (2.0 + np.arange(5))[:, None, None] - 10
    np.testing.assert_allclose(values, expected)


def test_positions_rounded_by_the_scanner_are_still_one_volume() -> None:
    instances = mr_series(numbered_voxels(), orientation=OBLIQUE, spacing=(0.9375, 1, 1))
    for instance in instances:
        instance.ImagePositionPatient = [round(value, 2) for value in instance.ImagePositionPatient]
    assert load_volume(source(instances)).spacing_between_slices == pytest.approx(0.9375, abs=0.005)


def test_a_multi_frame_image_becomes_the_same_volume() -> None:
    instances = mr_series(numbered_voxels(), orientation=SAGITTAL)
    multi_frame = hd.legacy.LegacyConvertedEnhancedMRImage(
        legacy_datasets=instances,
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
    )
    volume = load_volume(source([multi_frame]))
    single = load_volume(source(instances))
    np.testing.assert_array_equal(volume.match_geometry(single).array, single.array)


def test_frames_of_a_multi_frame_image_with_a_gap_are_refused() -> None:
    instances = mr_series(numbered_voxels())
    multi_frame = hd.legacy.LegacyConvertedEnhancedMRImage(
        legacy_datasets=[instances[index] for index in (0, 1, 2, 4)],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
    )
    with pytest.raises(errors.MissingSlices, match="between frames 3 and 4 one frame is missing"):
        load_volume(source([multi_frame]))


def test_a_file_that_is_no_dicom_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "0001.dcm").write_text("not DICOM")
    with pytest.raises(errors.UnreadableImage, match=r"0001\.dcm cannot be read as DICOM"):
        SourceSeries.from_files([tmp_path / "0001.dcm"])


def test_a_file_cut_short_on_its_way_is_refused_with_its_slice(tmp_path: Path) -> None:
    folder = write(mr_series(numbered_voxels()), tmp_path)
    files = sorted(folder.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:-30])
    number = pydicom.dcmread(files[0]).InstanceNumber
    with pytest.raises(errors.UnreadableImage, match=f"the pixels of slice {number} cannot be read"):
        load_volume(SourceSeries.from_files(files))


def drop(*numbers: int) -> Callable[[list[Dataset]], Sequence[Dataset]]:
    return lambda instances: [one for one in instances if one.InstanceNumber not in numbers]


def duplicate_one(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[3].ImagePositionPatient = instances[2].ImagePositionPatient
    return [*instances[:3], instances[3], *instances[4:]]


def two_echoes(instances: list[Dataset]) -> Sequence[Dataset]:
    second = mr_series(numbered_voxels())
    for one in second:
        one.InstanceNumber += len(instances)
    return [*instances, *second]


def shift_last(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[-1].ImagePositionPatient[2] += 0.5
    return instances


def widening(instances: list[Dataset]) -> Sequence[Dataset]:
    for number, instance in enumerate(instances):
        instance.ImagePositionPatient[2] += 0.3 * number**2
    return instances


def tilt(instances: list[Dataset]) -> Sequence[Dataset]:
    for number, instance in enumerate(instances):
        instance.ImagePositionPatient[1] += 0.5 * number
    return instances


def turn_one(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[1].ImageOrientationPatient = list(SAGITTAL)
    return instances


def resize_one(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[1].Rows, instances[1].Columns = 7, 6
    return instances


def respace_one(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[1].PixelSpacing = [1.0, 1.1]
    return instances


def move_frame_of_reference(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[1].FrameOfReferenceUID = "1.2.3"
    return instances


def unplace_one(instances: list[Dataset]) -> Sequence[Dataset]:
    del instances[1].ImagePositionPatient
    instances[1].PixelSpacing = None
    return instances


def empty_one(instances: list[Dataset]) -> Sequence[Dataset]:
    del instances[1].PixelData
    return instances


def colour_one(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[1].SamplesPerPixel = 3
    return instances


def truncate_one(instances: list[Dataset]) -> Sequence[Dataset]:
    instances[1].PixelData = instances[1].PixelData[:-20]
    return instances


SPOILED: list[tuple[Callable[[list[Dataset]], Sequence[Dataset]], type[errors.InputRefused], str]] = [
    (duplicate_one, errors.DuplicatePositions, r"slices 3 and 4 lie at the same position \(z = -36 mm\)"),
    (two_echoes, errors.DuplicatePositions, r"holds 2 images at every position.*slice 1 and slice 6 at z = -40 mm"),
    (drop(3), errors.MissingSlices, r"between slices 2 and 4 one slice is missing \(4 mm where 2 mm is usual\)"),
    (drop(4, 5, 6), errors.MissingSlices, r"between slices 3 and 7 3 slices are missing"),
    (shift_last, errors.UnequalSpacing, r"changes from 2 to 2\.5 mm"),
    (widening, errors.UnequalSpacing, r"the distance between slices changes"),
    (tilt, errors.TiltedStack, r"a tilt of 14\.0 degrees"),
    (turn_one, errors.MixedOrientations, r"slice 1 and slice 2 lie in planes of different directions"),
    (resize_one, errors.MixedSizes, r"differ in size \(6 x 7 and 7 x 6 pixels\)"),
    (respace_one, errors.MixedSizes, r"differ in pixel spacing"),
    (move_frame_of_reference, errors.MixedSizes, r"different frames of reference"),
    (unplace_one, errors.MissingGeometry, r"slice 2 lacks PixelSpacing and ImagePositionPatient"),
    (empty_one, errors.UnreadableImage, r"slice 2 has no pixels"),
    (colour_one, errors.UnreadableImage, r"slice 2 is in colour"),
    (truncate_one, errors.UnreadableImage, r"the pixels of slice 2 cannot be read"),
    (drop(2, 3, 4, 5, 6, 7, 8), errors.TooFewSlices, r"has one slice"),
]


@pytest.mark.parametrize(("spoil", "fault", "reason"), SPOILED)
def test_what_is_no_regular_volume_is_refused_with_series_slices_and_advice(
    spoil: Callable[[list[Dataset]], Sequence[Dataset]], fault: type[errors.InputRefused], reason: str
) -> None:
    count = 5 if spoil is two_echoes else 8
    instances = spoil(mr_series(numbered_voxels((count, 6, 7))))
    with pytest.raises(fault, match=reason) as refusal:
        load_volume(source(instances))
    assert str(refusal.value).startswith('Series 3 "AX T1"')
    assert "Send" in str(refusal.value)
    assert refusal.value.is_permanent
