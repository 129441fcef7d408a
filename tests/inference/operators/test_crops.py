"""Boxes cut out in millimetres, and parts put together on one grid."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import BlankImage, NothingFound, OperatorContractBroken
from inference.operators.crops import (
    crop_to_foreground,
    crop_to_roi,
    fit_shape,
    merge_labels,
    renumber,
    stitch,
    stitch_probabilities,
)
from inference.operators.grids import reorient, resample
from tests.inference.operators.volumes import affine, ball, image, labels, mask, probability, volume, world

GRID = affine((2.0, 1.0, 0.5), (10.0, 20.0, 30.0))


def numbered() -> np.ndarray:
    return np.arange(12 * 20 * 30, dtype=np.float32).reshape(12, 20, 30)


def test_the_margin_is_in_millimetres_on_every_side_and_ends_at_the_border() -> None:
    region = np.zeros((12, 20, 30))
    region[5:7, 8:10, 1:4] = 1
    whole = image(numbered(), GRID)
    assert crop_to_roi(whole, mask(region, GRID)).shape == (2, 2, 3)
    wide = crop_to_roi(whole, mask(region, GRID), margin=2.0)
    np.testing.assert_array_equal(wide.array, numbered()[4:8, 6:12, 0:8])
    np.testing.assert_allclose(world(wide), world(whole)[4:8, 6:12, 0:8])


def test_the_region_may_lie_on_a_coarser_and_turned_grid() -> None:
    whole = image(numbered(), GRID)
    coarse = resample(reorient(whole, orientation="LPH"), spacing=(4.0, 4.0, 4.0))
    centre = world(whole)[6, 10, 15]
    region = mask(ball(coarse, centre=centre, radii=(4.0, 4.0, 4.0)), coarse.affine)
    cut = crop_to_roi(whole, region)
    places = world(cut)
    found = world(coarse)[region.array > 0]
    assert np.all(places.min(axis=(0, 1, 2)) <= np.maximum(found.min(axis=0) - 1, world(whole).min(axis=(0, 1, 2))))
    assert np.all(places.max(axis=(0, 1, 2)) >= np.minimum(found.max(axis=0) + 1, world(whole).max(axis=(0, 1, 2))))
    assert cut.array.size < whole.array.size


def test_a_label_may_be_the_region() -> None:
    region = np.zeros((12, 20, 30))
    region[1, 1, 1], region[5, 5, 5] = 1, 2
    assert crop_to_roi(image(numbered(), GRID), labels(region, GRID), label=2).array.item() == numbered()[5, 5, 5]
    assert crop_to_roi(image(numbered(), GRID), labels(region, GRID)).shape == (5, 5, 5)


def test_an_empty_region_and_one_elsewhere_are_refused() -> None:
    with pytest.raises(NothingFound, match="found nothing there"):
        crop_to_roi(image(numbered(), GRID), mask(np.zeros((12, 20, 30)), GRID))
    with pytest.raises(OperatorContractBroken, match="outside"):
        crop_to_roi(image(numbered(), GRID), mask(np.ones((2, 2, 2)), affine(origin=(500.0, 0.0, 0.0))))


def test_a_shape_is_fitted_about_the_centre_without_moving_a_voxel() -> None:
    whole = image(numbered() + 1, GRID)
    fitted = fit_shape(whole, shape=[6, 24, 30])
    assert fitted.shape == (6, 24, 30)
    np.testing.assert_array_equal(fitted.array[:, 2:22], whole.array[3:9])
    assert fitted.array[:, :2].sum() == fitted.array[:, 22:].sum() == 0
    np.testing.assert_allclose(world(fitted)[:, 2:22], world(whole)[3:9])


def test_foreground_is_what_is_brighter() -> None:
    air = np.full((8, 8, 8), -1000.0)
    air[2:5, 3:6, 4] = 40
    made = crop_to_foreground(image(air), above=-500.0, margin=1.0)
    assert made.shape == (5, 5, 3)
    with pytest.raises(BlankImage, match="above 100"):
        crop_to_foreground(image(air), above=100.0)


def test_parts_on_grids_of_their_own_are_stitched_where_they_lie() -> None:
    whole = volume(np.zeros((12, 20, 30), np.uint8), GRID)
    first, second = np.zeros((12, 20, 30)), np.zeros((12, 20, 30))
    first[1:5, 2:9, 3:20] = 1
    second[3:8, 5:12, 10:25] = 1
    parts = [crop_to_roi(mask(part, GRID), mask(part, GRID)) for part in (first, second)]
    expected = np.where(first, 1, np.where(second, 2, 0))
    np.testing.assert_array_equal(stitch(whole, *parts).array, expected)
    np.testing.assert_array_equal(
        stitch(whole, *parts, numbers=[7, 4]).array, np.where(first, 7, np.where(second, 4, 0))
    )
    with pytest.raises(OperatorContractBroken, match="2 parts and 1 numbers"):
        stitch(whole, *parts, numbers=[7])


def test_of_two_probable_parts_the_more_probable_one_is_stitched() -> None:
    whole = volume(np.zeros((1, 1, 4), np.uint8))
    made = stitch_probabilities(
        whole, probability(np.array([[[0.6, 0.7, 0.2, 0.5]]])), probability(np.array([[[0.7, 0.6, 0.3, 0.1]]]))
    )
    assert made.array.tolist() == [[[2, 1, 0, 0]]]


def test_label_maps_are_merged_and_renumbered() -> None:
    whole = volume(np.zeros((1, 1, 4), np.uint8))
    first, second = labels(np.array([[[1, 2, 0, 0]]])), labels(np.array([[[3, 3, 3, 0]]]))
    assert merge_labels(whole, first, second).array.tolist() == [[[1, 2, 3, 0]]]
    assert renumber(first, numbers=[5]).array.tolist() == [[[5, 0, 0, 0]]]
    assert renumber(first, numbers=[0, 9]).array.tolist() == [[[0, 9, 0, 0]]]
