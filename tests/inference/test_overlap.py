"""How far two masks overlap."""

import numpy as np
import pytest

from inference.overlap import dice


def test_dice_counts_what_both_hold_against_what_each_holds() -> None:
    first, second = np.zeros((4, 4, 4), dtype=np.uint8), np.zeros((4, 4, 4), dtype=np.bool_)
    first[:2] = 3  # 32 voxels; any value but zero counts
    second[1:, :2] = True  # 24 voxels, 8 of them in both
    assert dice(first, second) == pytest.approx(2 * 8 / (32 + 24))
    assert dice(first, first) == 1.0
    assert dice(first, np.zeros_like(first)) == 0.0


def test_dice_of_two_empty_masks_is_none() -> None:
    assert dice(np.zeros((2, 2, 2), dtype=np.bool_), np.zeros((2, 2, 2), dtype=np.bool_)) is None
