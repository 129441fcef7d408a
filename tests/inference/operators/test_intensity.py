"""Intensities in the range that a network knows."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import BlankImage, OperatorContractBroken
from inference.operators.intensity import normalise_percentile, normalise_window, normalise_z_score
from tests.inference.operators.volumes import image

HEAD = image(np.concatenate([np.zeros(20), np.random.default_rng(1).normal(300, 40, 80)]).reshape(4, 5, 5))


def test_z_scores_have_mean_0_and_spread_1_over_the_head_and_leave_the_background_0() -> None:
    made = normalise_z_score(HEAD).array
    inside = HEAD.array > 0
    assert made.dtype == np.float32
    assert made[inside].mean() == pytest.approx(0, abs=1e-5)
    assert made[inside].std() == pytest.approx(1, abs=1e-5)
    assert np.all(made[~inside] == 0)


def test_z_scores_over_all_voxels_count_the_background_too() -> None:
    made = normalise_z_score(HEAD, over="all").array
    assert made.mean() == pytest.approx(0, abs=1e-5)
    assert made.std() == pytest.approx(1, abs=1e-5)


def test_a_window_maps_its_ends_to_0_and_1_and_clips() -> None:
    ct = image(np.array([[[-1000, -160, 40, 240, 900]]]))
    assert normalise_window(ct, low=-160, high=240).array.tolist() == [[[0, 0, 0.5, 1, 1]]]
    with pytest.raises(OperatorContractBroken, match="is not above"):
        normalise_window(ct, low=40, high=40)


def test_percentiles_are_those_of_numpy_over_the_chosen_voxels() -> None:
    made = normalise_percentile(HEAD, low=5, high=95).array
    low, high = np.percentile(HEAD.array[HEAD.array > 0], [5, 95])
    np.testing.assert_allclose(made, np.clip((HEAD.array - low) / (high - low), 0, 1), atol=1e-6)
    with pytest.raises(OperatorContractBroken, match="no range"):
        normalise_percentile(HEAD, low=50, high=101)


@pytest.mark.parametrize("values", [np.zeros((2, 2, 2)), np.full((2, 2, 2), 7.0), np.full((2, 2, 2), np.nan)])
def test_an_image_without_contrast_is_refused(values: np.ndarray) -> None:
    with pytest.raises(BlankImage, match="no contrast"):
        normalise_z_score(image(values))
    with pytest.raises(BlankImage, match="no contrast"):
        normalise_percentile(image(values))
