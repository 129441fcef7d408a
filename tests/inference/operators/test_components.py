"""Pieces of masks and of label maps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from inference.operators.components import fill_holes, keep_largest_component, remove_small, smooth
from tests.inference.operators.volumes import affine, ball, image, labels, mask


def two_blocks() -> NDArray[np.uint8]:
    """A block of 27 and one of 8 voxels for label 1, one of 8 and one of 1 for label 3."""
    made = np.zeros((12, 12, 12), dtype=np.uint8)
    made[1:4, 1:4, 1:4] = 1
    made[6:8, 6:8, 6:8] = 1
    made[1:3, 8:10, 8:10] = 3
    made[10, 10, 10] = 3
    return made


def test_the_largest_component_of_each_label_is_kept() -> None:
    made = keep_largest_component(labels(two_blocks())).array
    assert np.bincount(made.ravel())[1:].tolist() == [27, 0, 8]
    assert made[2, 2, 2] == 1
    assert made[1, 8, 8] == 3


def test_pieces_below_a_volume_go_and_others_stay() -> None:
    grid = affine((5.0, 2.0, 1.0))
    assert np.bincount(remove_small(labels(two_blocks(), grid), below=0.08).array.ravel())[1:].tolist() == [35, 0, 8]
    assert np.bincount(remove_small(labels(two_blocks(), grid), below=0.081).array.ravel())[1:].tolist() == [27]
    assert remove_small(mask(two_blocks() == 3), below=1.0).array.sum() == 0


@pytest.mark.parametrize("seed", range(3))
def test_cavities_are_those_that_scipy_fills(seed: int) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((24, 24, 24)), 1.2) > 0.48
    np.testing.assert_array_equal(fill_holes(mask(noise)).array, ndimage.binary_fill_holes(noise))


def test_a_vessel_in_an_organ_stays_a_vessel_and_a_bubble_beside_it_is_filled() -> None:
    made = np.full((9, 9, 9), 0, dtype=np.uint8)
    made[1:8, 1:8, 1:8] = 1
    made[3:6, 3, 3] = 2
    made[5, 6, 6] = 0
    filled = fill_holes(labels(made)).array
    assert filled[5, 6, 6] == 1
    assert filled[4, 3, 3] == 2
    assert filled.sum() == made.sum() + 1


def test_smoothing_takes_a_spur_off_and_leaves_the_ball() -> None:
    grid = image(np.zeros((30, 30, 30)))
    whole = ball(grid, centre=(15, 15, 15), radii=(9, 9, 9))
    spurred = whole.copy()
    spurred[15, 15, 24:30] = True
    made = smooth(mask(spurred)).array
    assert made[15, 15, 26:].sum() == 0
    assert 2 * (made & whole).sum() / (made.sum() + whole.sum()) > 0.99


def test_nothing_stays_nothing() -> None:
    empty = mask(np.zeros((4, 4, 4)))
    for made in (keep_largest_component(empty), fill_holes(empty), remove_small(empty, below=0.0), smooth(empty)):
        assert made.array.sum() == 0
