"""What a reviewer of a case is shown of it: the right planes, windowed, with the finding in its own colours."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.uid import generate_uid

from studies.quality import key_planes, pictures
from studies.quality.drawing import Box, webp
from studies.quality.pictures import Source
from tests.inference.series import mr_series, write
from tests.studies.blinding.makers import LIVER, SPLEEN, vendors

SLICES, ROWS, COLUMNS = 12, 40, 60
GREEN = (0, 255, 0)


def scan(*, spacing: tuple[float, float, float] = (3.0, 2.0, 1.0)) -> list[Dataset]:
    """A bright body on black, brighter from slice to slice."""
    pixels = np.zeros((SLICES, ROWS, COLUMNS), np.uint16)
    pixels[:, 5:35, 5:55] = 400 + 50 * np.arange(SLICES)[:, None, None]
    instances = mr_series(pixels, spacing=spacing)
    for instance in instances:
        instance.WindowCenter, instance.WindowWidth = 500, 1000
        instance.PatientName = "Quixote^Dulcinea"
    return instances


def mask(*, low: int = 4, high: int = 9, widest: int = 7) -> NDArray[np.uint8]:
    """A block of one area on all its slices but one, which has more."""
    drawn = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    drawn[low:high, 10:20, 10:30] = 1
    drawn[widest, 10:24, 10:30] = 1
    return drawn


def source(instances: Sequence[Dataset], folder: Path, *segmentations: Dataset, **about: object) -> Source:
    write([*instances, *segmentations], folder)
    return Source(
        headers=[json_of(one) for one in instances],
        files={str(one.SOPInstanceUID): folder / f"{one.SOPInstanceUID}.dcm" for one in instances},
        segmentations=[folder / f"{one.SOPInstanceUID}.dcm" for one in segmentations],
        **about,  # type: ignore[arg-type]
    )


def json_of(instance: Dataset) -> dict[str, object]:
    plain = Dataset({tag: element for tag, element in instance.items() if tag.group != 0x7FE0})
    return plain.to_json_dict(suppress_invalid_tags=True)


def green(picture: Image.Image) -> NDArray[np.bool_]:
    """Where the picture has more green than red."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    return np.asarray(pixels[..., 1] - pixels[..., 0] > 25)


def segmentation(instances: Sequence[Dataset], drawn: NDArray[np.uint8], *, colour: tuple[int, int, int]) -> Dataset:
    made = vendors(instances, {LIVER: drawn}, kind="BINARY")
    made.SegmentSequence[0].RecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(*colour).value)
    return made


def test_slices_through_the_finding_and_the_middle_are_shown_once_each() -> None:
    areas = np.array([0, 0, 5, 5, 9, 5, 5, 0, 0, 0, 0, 0, 0])
    shown = key_planes.of_volume(areas)
    assert [(one.index, one.caption) for one in shown] == [
        (4, "Slice 5 of 13, largest section"),
        (3, "Slice 4 of 13, lower part of the finding"),
        (5, "Slice 6 of 13, upper part of the finding"),
        (6, "Slice 7 of 13, middle of the series"),
    ]


@pytest.mark.parametrize("areas", [[0] * 9, [0], [3], [0, 4]])
def test_every_plane_that_is_shown_exists(areas: list[int]) -> None:
    shown = [one.index for one in key_planes.of_volume(np.array(areas))]
    assert shown and len(set(shown)) == len(shown)
    assert set(shown) <= set(range(len(areas)))


def test_the_finding_is_drawn_where_it_is_in_the_colour_that_its_seg_recommends(tmp_path: Path) -> None:
    instances = scan()
    shown = pictures.of_finding(source(instances, tmp_path, segmentation(instances, mask(), colour=GREEN)))
    first = shown.pictures[0]
    assert first.caption == "Slice 8 of 12, largest section"
    assert [(one.label, one.colour) for one in shown.structures] == [("DeepHepar Liver", "#00ff00")]
    assert not green(first.plain).any()
    rows, columns = np.nonzero(green(first.overlaid))
    scale = first.plain.height / ROWS
    assert np.allclose([rows.min() / scale, (rows.max() + 1) / scale], [10, 24], atol=0.4)
    across = first.plain.width / COLUMNS
    assert np.allclose([columns.min() / across, (columns.max() + 1) / across], [10, 30], atol=0.4)


def test_a_picture_has_the_proportions_of_what_it_shows_and_its_window(tmp_path: Path) -> None:
    shown = pictures.of_finding(source(scan(spacing=(3.0, 3.0, 1.0)), tmp_path))
    picture = shown.pictures[0].plain
    assert picture.size == (360, 720), "40 rows of 3 mm and 60 columns of 1 mm"
    assert shown.pictures[0].caption == "Slice 7 of 12, middle of the series"
    levels = np.asarray(picture)
    assert levels[360, 180] == pytest.approx(255 * (400 + 50 * 6) / 1000, abs=2)
    assert levels[5, 5] == 0


def test_a_picture_carries_nothing_of_the_patient(tmp_path: Path) -> None:
    shown = pictures.of_finding(source(scan(), tmp_path))
    written = webp(shown.pictures[0].plain)
    assert b"Quixote" not in written and b"DEMO-0001" not in written
    with Image.open(BytesIO(written)) as picture:
        assert (picture.format, max(picture.size), dict(picture.getexif())) == ("WEBP", 720, {})
    with Image.open(BytesIO(webp(shown.pictures[0].plain, side=100))) as small:
        assert max(small.size) == 100


def test_several_structures_keep_their_own_colours_and_their_order(tmp_path: Path) -> None:
    instances = scan()
    made = vendors(instances, {LIVER: mask(), SPLEEN: mask(low=1, high=3, widest=2)}, kind="BINARY")
    shown = pictures.of_finding(source(instances, tmp_path, made))
    assert [one.label for one in shown.structures] == ["DeepHepar Liver", "DeepHepar Spleen"]
    assert len({one.colour for one in shown.structures}) == 2


def test_a_finding_that_does_not_lie_on_the_images_is_said_and_they_are_shown(tmp_path: Path) -> None:
    instances, others = scan(), scan()
    for other in others:
        other.FrameOfReferenceUID = "1.2.3.4.5"
        other.ImagePositionPatient = [500, 500, float(other.ImagePositionPatient[2]) + 500]
    shown = pictures.of_finding(source(instances, tmp_path, segmentation(others, mask(), colour=GREEN)))
    assert "cannot be laid on its images" in shown.problem
    assert len(shown.pictures) == 3 and not shown.structures


def test_radiographs_of_several_sizes_are_all_shown_with_their_boxes(tmp_path: Path) -> None:
    radiographs = [mr_series(np.full((1, rows, 50), 100 + rows, np.uint16))[0] for rows in (40, 80)]
    for one in radiographs:
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        del one.ImagePositionPatient, one.ImageOrientationPatient, one.PixelSpacing
    box = Box(top=10, left=10, bottom=30, right=40, colour=GREEN)
    boxes = {str(radiographs[1].SOPInstanceUID): [box]}
    shown = pictures.of_finding(source(radiographs, tmp_path, boxes=boxes))
    assert [one.caption for one in shown.pictures] == ["Image 1 of 2", "Image 2 of 2"]
    assert not green(shown.pictures[0].overlaid).any()
    assert green(shown.pictures[1].overlaid).any() and not green(shown.pictures[1].plain).any()
