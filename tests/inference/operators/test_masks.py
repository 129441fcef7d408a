"""Masks chosen from label maps and put together."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import OperatorContractBroken
from inference.operators.masks import combine, intersect, select_label, select_labels, subtract
from tests.inference.operators.volumes import affine, labels, mask

FIRST, SECOND = mask(np.array([[[1, 1, 0, 0]]])), mask(np.array([[[0, 1, 1, 0]]]))


def test_labels_become_masks() -> None:
    given = labels(np.array([[[0, 1, 2, 3]]]))
    assert select_label(given, label=2).array.tolist() == [[[0, 0, 1, 0]]]
    assert select_labels(given, labels_wanted=[1, 3]).array.tolist() == [[[0, 1, 0, 1]]]


def test_masks_are_joined_intersected_and_subtracted() -> None:
    assert combine(FIRST, SECOND).array.tolist() == [[[1, 1, 1, 0]]]
    assert intersect(FIRST, SECOND).array.tolist() == [[[0, 1, 0, 0]]]
    assert subtract(FIRST, SECOND).array.tolist() == [[[1, 0, 0, 0]]]
    assert combine(FIRST).array.dtype == np.uint8


def test_masks_of_different_grids_are_not_put_together() -> None:
    elsewhere = mask(np.array([[[0, 1, 1, 0]]]), affine(origin=(0.0, 0.0, 3.0)))
    with pytest.raises(OperatorContractBroken, match="different grids"):
        combine(FIRST, elsewhere)
    with pytest.raises(OperatorContractBroken, match="different grids"):
        subtract(FIRST, elsewhere)
