"""NIfTI label maps on the grid of a series: axes in any order and direction are the same grid, else it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from studies.annotation import nifti_masks
from studies.annotation.errors import NotAMask
from studies.annotation.nifti_masks import LabelMap
from tests.studies.annotation.makers import nifti

SHAPE = (3, 4, 5)


@dataclass(frozen=True)
class Grid:
    affine: NDArray[np.float64]
    shape: tuple[int, int, int] = SHAPE
    said: str = 'Series 3 "AX T1": 5 x 4 x 3 voxels'


def turned(degrees: tuple[float, float, float], spacing: tuple[float, float, float], origin: tuple[float, ...]) -> Grid:
    """A grid that lies askew."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, other = [each for each in range(3) if each != axis]
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix * np.array(spacing), origin
    return Grid(affine)


angles, sizes = st.floats(-180, 180), st.floats(0.3, 6)
grids = st.builds(
    turned,
    st.tuples(angles, angles, angles),
    st.tuples(sizes, sizes, sizes),
    st.tuples(*[st.floats(-900, 900)] * 3),
)
labels = arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
orders = st.sampled_from(list(permutations(range(3))))
flips = st.sets(st.integers(0, 2)).map(lambda axes: tuple(sorted(axes)))


def opened(image: nibabel.Nifti1Image) -> LabelMap:
    """As `nifti_masks.opened` makes it of a file: through NIfTI's own header, which keeps affines in 32 bits."""
    return nifti_masks.of_image(nibabel.Nifti1Image.from_bytes(image.to_bytes()))


@settings(max_examples=60, deadline=None)
@given(grid=grids, drawn=labels, order=orders, flips=flips)
def test_the_same_grid_gives_the_same_voxels_in_any_order_of_axes(
    grid: Grid, drawn: NDArray[np.uint8], order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    found = opened(nifti(drawn, grid.affine, order=order, flips=flips))
    assert nifti_masks.fits(found, grid)
    assert np.array_equal(nifti_masks.labels(found, grid), drawn)


@settings(max_examples=40, deadline=None)
@given(grid=grids, order=orders, axis=st.integers(0, 2), by=st.floats(0.5, 20), is_back=st.booleans())
def test_a_grid_that_is_moved_by_half_a_voxel_or_more_is_another(
    grid: Grid, order: tuple[int, ...], axis: int, by: float, is_back: bool
) -> None:
    moved = grid.affine.copy()
    moved[:3, 3] += moved[:3, axis] * (-by if is_back else by)
    found = opened(nifti(np.zeros(SHAPE, np.uint8), moved, order=order))
    assert not nifti_masks.fits(found, grid)


@settings(max_examples=40, deadline=None)
@given(grid=grids, axis=st.integers(0, 2), factor=st.floats(1.2, 4))
def test_a_grid_of_other_spacing_is_another(grid: Grid, axis: int, factor: float) -> None:
    other = grid.affine.copy()
    other[:3, axis] *= factor
    assert not nifti_masks.fits(opened(nifti(np.zeros(SHAPE, np.uint8), other)), grid)


GRID = turned((0, 0, 0), (2.5, 0.7, 0.7), (-100, -120, 40))


def test_another_grid_is_refused_with_what_was_expected() -> None:
    moved = GRID.affine.copy()
    moved[2, 3] += 5
    found = opened(nifti(np.zeros(SHAPE, np.uint8), moved))
    with pytest.raises(NotAMask, match=r'another grid.*5 x 4 x 3 voxels.*Expected was Series 3 "AX T1"'):
        nifti_masks.labels(found, GRID)


def test_a_mirrored_grid_is_not_the_same_as_a_flipped_one() -> None:
    mirrored = GRID.affine.copy()
    mirrored[:3, 0] *= -1  # runs to the other side from the same corner
    assert not nifti_masks.fits(opened(nifti(np.zeros(SHAPE, np.uint8), mirrored)), GRID)


def test_whole_numbers_are_taken_whatever_their_type() -> None:
    drawn = np.zeros(SHAPE, np.float32)
    drawn[1, 2, 3] = 2
    assert nifti_masks.labels(opened(nifti(drawn, GRID.affine)), GRID)[1, 2, 3] == 2


@pytest.mark.parametrize(
    ("value", "sentence"), [(0.5, "holds fractions"), (np.nan, "holds fractions"), (-1.0, "Labels are whole numbers")]
)
def test_what_is_no_label_is_refused(value: float, sentence: str) -> None:
    drawn = np.zeros(SHAPE, np.float32)
    drawn[0, 0, 0] = value
    with pytest.raises(NotAMask, match=sentence):
        nifti_masks.labels(opened(nifti(drawn, GRID.affine)), GRID)


def test_a_file_without_a_place_is_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), None)
    nibabel.save(image, tmp_path / "mask.nii.gz")
    with pytest.raises(NotAMask, match="does not say where it lies"):
        nifti_masks.opened(tmp_path / "mask.nii.gz")


def test_a_file_in_metres_lies_where_it_says(tmp_path: Path) -> None:
    in_metres = GRID.affine.copy()
    in_metres[:3] /= 1000
    image = nifti(np.ones(SHAPE, np.uint8), in_metres)
    image.header.set_xyzt_units("meter")
    nibabel.save(image, tmp_path / "mask.nii")
    assert nifti_masks.fits(nifti_masks.opened(tmp_path / "mask.nii"), GRID)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.nii"
    path.write_bytes(nifti(np.ones(SHAPE, np.uint8), GRID.affine).to_bytes()[:380])
    with pytest.raises(NotAMask, match="cut off"):
        nifti_masks.labels(nifti_masks.opened(path), GRID)


def test_several_maps_in_one_file_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((*SHAPE, 2), np.uint8), GRID.affine), tmp_path / "mask.nii")
    with pytest.raises(NotAMask, match="has 4 axes"):
        nifti_masks.opened(tmp_path / "mask.nii")
