"""Structure sets: the contours of a mask give the mask back, on every reader's reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom import Volume
from numpy.typing import NDArray
from pydicom import Dataset
from scipy import ndimage
from skimage.draw import polygon2mask

from inference.operators.values import Mask
from inference.writers.contours import outlines, rings
from inference.writers.rtstruct import write
from tests.inference.series import PLANES, mr_series, source
from tests.inference.writers.runs import blob, finished, two_organs, verdict, volumetric
from tests.inference.writers.sources import ct_series, sources

RNG = np.random.default_rng(7)


def organ(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A ragged organ with holes, islands in them, and parts at the border of the image."""
    rough = ndimage.gaussian_filter(RNG.standard_normal(shape), 1.5)
    inside: NDArray[np.uint8] = (rough > np.quantile(rough, 0.55)).astype(np.uint8)
    return inside


def filled(contours: list[Dataset], mask: Volume) -> NDArray[np.bool_]:
    """The voxels whose centres lie within the contours, by the even-odd rule."""
    found = np.zeros(mask.shape, dtype=np.bool_)
    for contour in contours:
        points = mask.map_reference_to_indices(np.reshape(contour.ContourData, (-1, 3)).astype(float))
        plane = round(points[0, 0])
        np.testing.assert_allclose(points[:, 0], plane, atol=1e-2)
        found[plane] ^= polygon2mask(mask.shape[1:], points[:, 1:])
    return found


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("plane", PLANES)
def test_the_contours_filled_again_are_the_mask(plane: str, tmp_path: Path) -> None:
    instances = mr_series(RNG.integers(0, 99, (6, 40, 48)).astype(np.uint16), orientation=PLANES[plane])[::-1]
    grid = blob(source(instances))
    masks = [Mask(grid.with_array(organ(grid.shape))) for _ in range(2)]
    (file,) = write(finished(instances, volumetric(), segments=masks), tmp_path)
    structures = pydicom.dcmread(file.path)
    for contoured, mask in zip(structures.ROIContourSequence, masks, strict=True):
        assert dice(filled(contoured.ContourSequence, mask), mask.array > 0) >= 0.98


def test_each_contour_lies_on_the_slice_that_it_names(tmp_path: Path) -> None:
    (file,) = write(two_organs(ct_series()[::-1]), tmp_path)
    heights = {one.SOPInstanceUID: one.ImagePositionPatient[2] for one in ct_series()}
    for contoured in pydicom.dcmread(file.path).ROIContourSequence:
        assert len(contoured.ContourSequence) == 3
        for contour in contoured.ContourSequence:
            named = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            assert set(contour.ContourData[2::3]) == {heights[named]}
            assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints


def test_a_hole_is_joined_to_its_island_and_an_island_in_the_hole_stays_alone() -> None:
    plane = np.zeros((30, 30), dtype=np.uint8)
    plane[2:28, 2:28] = 1
    plane[5:12, 5:12] = plane[14:25, 14:25] = 0
    plane[18:21, 18:21] = 1
    assert len(rings(plane)) == 4
    joined = outlines(plane)
    assert len(joined) == 2
    each = [polygon2mask(plane.shape, ring) for ring in joined]
    np.testing.assert_array_equal(each[0] | each[1], plane > 0)
    assert not (each[0] & each[1]).any()


def test_an_empty_segment_is_a_region_without_contours(tmp_path: Path) -> None:
    instances = ct_series()
    full = blob(source(instances))
    empty = Mask(full.with_array(np.zeros_like(full.array)))
    (file,) = write(finished(instances, volumetric(), segments=[full, empty]), tmp_path)
    structures = pydicom.dcmread(file.path)
    assert [one.ROIName for one in structures.StructureSetROISequence] == ["Liver", "Spleen"]
    assert ["ContourSequence" in one for one in structures.ROIContourSequence] == [True, False]
    assert "Error" not in verdict(file.path)


def test_regions_have_the_segments_names_colours_and_codes_and_the_results_standing(tmp_path: Path) -> None:
    run = two_organs(ct_series())
    (file,) = write(run, tmp_path)
    structures = pydicom.dcmread(file.path)
    assert structures.StructureSetDescription == run.pipeline.notice
    assert structures.ROIContourSequence[1].ROIDisplayColor == [0, 255, 0]
    observed = structures.RTROIObservationsSequence[0]
    assert observed.RTROIIdentificationCodeSequence[0].CodeMeaning == "Liver"
    assert structures.PatientName == "Demo^Alder"
    assert structures.FrameOfReferenceUID == run.series.instances[0].FrameOfReferenceUID


@pytest.mark.parametrize("modality", ["MR", "CT", "enhanced MR"])
def test_dciodvfy_finds_no_error(modality: str, tmp_path: Path) -> None:
    (file,) = write(two_organs(sources()[modality]), tmp_path)
    said = verdict(file.path)
    assert "RTStructureSet" in said
    assert "Error" not in said
