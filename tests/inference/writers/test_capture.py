"""Secondary captures: what is burned in, what they refer to, and what a validator says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from inference.errors import UnreadableImage
from inference.operators.values import Mask
from inference.writers import capture
from inference.writers.capture import write
from inference.writers.drawing import BAND, NOTICE_COLOUR, colour_of
from inference.writers.grey import grey_levels
from inference.writers.pictures import BOX_COLOURS, key_slices
from inference.writers.planes import Plane
from tests.inference.series import mr_series, source
from tests.inference.writers.runs import blob, finished, hips_and_chest, of_radiographs, two_organs, verdict, volumetric
from tests.inference.writers.sources import ct_series, radiographs, sources


def has(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool((pixels == colour).all(axis=-1).any())


def test_a_volumes_key_slices_are_frames_with_outlines_legend_and_standing_burned_in(tmp_path: Path) -> None:
    run = two_organs(ct_series())
    (file,) = write(run, tmp_path)
    image = pydicom.dcmread(file.path)
    frames = image.pixel_array
    assert image.NumberOfFrames == len(frames) == len(image.SourceImageSequence) > 1
    for frame in frames:
        assert has(frame, NOTICE_COLOUR)
        assert has(frame, BAND)
        assert has(frame[:500], (0, 255, 0)), "the spleen's outline in its colour"
    assert (image.BurnedInAnnotation, image.ConversionType, image.Modality) == ("YES", "WSD", "OT")
    assert image.ImageComments == run.pipeline.notice
    named = {item.ReferencedSOPInstanceUID for item in image.SourceImageSequence}
    assert named <= {instance.SOPInstanceUID for instance in run.series.instances}


def test_each_radiograph_is_an_image_with_its_boxes_and_the_original_grey_around_them(tmp_path: Path) -> None:
    images = radiographs()
    files = write(hips_and_chest(images), tmp_path)
    assert [file.path.name for file in files] == ["capture-1.dcm", "capture-2.dcm"]
    captures = [pydicom.dcmread(file.path) for file in files]
    assert len({one.SeriesInstanceUID for one in captures}) == 1
    for one, image in zip(captures, images, strict=True):
        assert one.SourceImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
        assert has(one.pixel_array, colour_of(BOX_COLOURS[0]))
        assert one.pixel_array[0, 0].max() < 10, "dark above"
        assert one.pixel_array[852, -1].min() > 240, "bright below"
    assert has(captures[0].pixel_array, colour_of(BOX_COLOURS[1]))
    assert not has(captures[1].pixel_array, colour_of(BOX_COLOURS[1])), "the right hip is in the first image only"


def test_a_box_is_drawn_where_it_was_found(tmp_path: Path) -> None:
    images = radiographs(1, rows=512, columns=1024)
    run = hips_and_chest(images)
    box = replace(run.outputs.boxes[0], top=100.0, left=300.0, bottom=200.0, right=600.0)
    alone = finished(images, of_radiographs(), boxes=[box])
    (file,) = write(alone, tmp_path)
    drawn = (pydicom.dcmread(file.path).pixel_array[:512] == colour_of(BOX_COLOURS[0])).all(axis=-1)
    rows, columns = np.flatnonzero(drawn[:, 450]), np.flatnonzero(drawn[150])
    assert abs(rows.min() - 100) <= 3 and abs(rows.max() - 200) <= 3
    assert abs(columns.min() - 300) <= 3 and abs(columns.max() - 600) <= 3


def test_the_largest_slice_of_every_structure_is_among_at_most_nine() -> None:
    grid = blob(source(mr_series(np.zeros((40, 8, 8), dtype=np.uint16))))
    masks = []
    for number in range(6):
        array = np.zeros_like(grid.array)
        array[3 * number : 3 * number + 10, 2:4, 2:4] = 1
        array[3 * number + 4, 2:6, 2:6] = 1
        masks.append(Mask(grid.with_array(array)))
    assert {3 * number + 4 for number in range(6)} <= set(key_slices(masks))
    assert len(key_slices(masks)) == 9
    assert key_slices([Mask(grid.with_array(np.zeros_like(grid.array)))]) == [20]


def test_a_window_is_applied_and_inverted_images_are_turned() -> None:
    (ct, *_) = ct_series()
    ct.WindowCenter, ct.WindowWidth = -1024 + 160, 101
    grey = grey_levels(Plane(ct, None)).reshape(-1)
    assert [int(grey[value]) for value in (0, 109, 160, 210, 319)] == [0, 0, 129, 255, 255]
    inverted, plain = (grey_levels(Plane(image, None)) for image in radiographs())
    np.testing.assert_allclose(inverted, plain, atol=1)


def test_pixels_that_cannot_be_decoded_are_refused_by_name() -> None:
    (ct, *_) = ct_series()
    ct.PixelData = ct.PixelData[:10]
    with pytest.raises(UnreadableImage, match=str(ct.SOPInstanceUID)):
        grey_levels(Plane(ct, None))


def test_a_result_with_nothing_to_show_has_no_capture(tmp_path: Path) -> None:
    assert capture.write(finished(radiographs(), of_radiographs()), tmp_path) == []


@pytest.mark.parametrize("modality", ["MR", "CT", "enhanced MR"])
def test_dciodvfy_finds_no_error_in_captures_of_volumes(modality: str, tmp_path: Path) -> None:
    (file,) = write(two_organs(sources()[modality]), tmp_path)
    said = verdict(file.path)
    assert "MultiframeTrueColorSCImage" in said
    assert "Error" not in said
    assert file.path.stat().st_size < 20_000_000


def test_a_volume_in_which_nothing_was_found_is_shown_by_one_valid_picture(tmp_path: Path) -> None:
    instances = ct_series()
    grid = blob(source(instances))
    empty = Mask(grid.with_array(np.zeros_like(grid.array)))
    (file,) = write(finished(instances, volumetric(), segments=[empty, empty]), tmp_path)
    assert file.path.name == "capture-1.dcm"
    assert "Error" not in verdict(file.path)


def test_dciodvfy_finds_no_error_in_captures_of_radiographs(tmp_path: Path) -> None:
    for file in write(hips_and_chest(radiographs()), tmp_path):
        assert "SCImage" in verdict(file.path)
        assert "Error" not in verdict(file.path)
