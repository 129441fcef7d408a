"""Resampling there and back: voxels keep their place in the patient."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from inference.errors import OperatorContractBroken
from inference.operators.grids import arg_max_on, reorient, resample, resample_back
from inference.operators.networks import arg_max
from inference.operators.values import Image, Probability
from tests.inference.operators.volumes import (
    affine,
    ball,
    image,
    labels,
    mask,
    probability,
    scores,
    volume,
    world,
)

CT = affine((2.5, 0.7, 0.8), (-100.0, -50.0, 30.0))
RNG = np.random.default_rng(4)


def ramp(of: Image) -> NDArray[np.float64]:
    return np.asarray(world(of) @ [0.3, -0.7, 1.1] + 5)


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 1.5), (1.0, 1.0, 1.0), (5.0, 0.7, 2.0), (0.6, 0.3, 0.4)])
@pytest.mark.parametrize("degrees", [0, 20])
def test_a_field_that_is_linear_in_space_is_the_same_field_after_resampling(
    spacing: tuple[float, float, float], degrees: float
) -> None:
    grid = image(np.zeros((20, 40, 30)), affine((2.5, 0.7, 0.8), (-100.0, -50.0, 30.0), degrees=degrees))
    resampled = resample(Image(grid.with_array(ramp(grid).astype(np.float32))), spacing=spacing)
    assert resampled.spacing == pytest.approx(spacing)
    np.testing.assert_allclose(resampled.direction, grid.direction, atol=1e-9)
    # Near the border the outermost value holds, so the field is linear only within.
    middle = tuple(slice(size // 3, size - size // 3) for size in resampled.shape)
    np.testing.assert_allclose(resampled.array[middle], ramp(resampled)[middle], atol=2e-3)


def test_the_extent_stays_about_the_same_centre() -> None:
    grid = image(np.zeros((20, 41, 30)), CT)
    resampled = resample(grid, spacing=(1.5, 1.5, 1.5))
    assert resampled.spatial_shape == (33, 19, 16)
    centres = [one.map_indices_to_reference((np.array(one.shape)[None] - 1) / 2) for one in (grid, resampled)]
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-9)


def test_coarser_voxels_are_scipys_gaussian_and_linear_interpolation() -> None:
    fine = image(RNG.random((12, 30, 24)), affine((2.0, 1.0, 1.0)))
    coarse = resample(fine, spacing=(2.0, 3.0, 2.0))
    smooth = ndimage.gaussian_filter(fine.array, (0, 1.0, 0.5), mode="nearest", truncate=4)
    at = fine.map_reference_to_indices(world(coarse).reshape(-1, 3)).T
    expected = ndimage.map_coordinates(smooth, at, order=1, mode="nearest").reshape(coarse.shape)
    np.testing.assert_allclose(coarse.array, expected, atol=1e-5)


def test_the_same_spacing_changes_nothing() -> None:
    original = image(RNG.random((5, 6, 7)), CT)
    np.testing.assert_allclose(resample(original, spacing=(2.5, 0.7, 0.8)).array, original.array, atol=1e-6)


def test_an_ellipsoid_comes_back_from_a_turned_and_finer_grid_with_its_volume_and_place() -> None:
    source = image(np.zeros((24, 60, 50)), affine((2.5, 1.0, 1.2), (-30.0, -20.0, 10.0), degrees=12))
    fine = resample(reorient(source, orientation="LPH"), spacing=(0.8, 0.8, 0.8))
    centre = source.map_indices_to_reference(np.array([[12.0, 30.0, 25.0]]))[0]
    answer = mask(ball(fine, centre=centre, radii=(14.0, 18.0, 16.0)), fine.affine)
    back = resample_back(answer, source)
    expected = ball(source, centre=centre, radii=(14.0, 18.0, 16.0))
    assert back.geometry_equal(source)
    assert back.array.dtype == np.uint8
    overlap = 2 * (back.array & expected).sum() / (back.array.sum() + expected.sum())
    assert overlap > 0.98
    assert back.array.sum() * back.voxel_volume == pytest.approx(4 / 3 * np.pi * 14 * 18 * 16, rel=0.01)


def test_labels_keep_their_numbers_and_are_never_mixed() -> None:
    coarse = labels(RNG.choice([0, 3, 7], (6, 7, 8)), affine((2.0, 2.0, 2.0)))
    back = resample_back(coarse, volume(np.zeros((12, 14, 16)), affine((1.0, 1.0, 1.0), (-0.5, -0.5, -0.5))))
    np.testing.assert_array_equal(back.array, coarse.array.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_a_probability_comes_back_by_linear_interpolation() -> None:
    coarse = probability(RNG.random((6, 7, 8)), affine((2.0, 2.0, 2.0), (3.0, 2.0, 1.0)))
    reference = volume(np.zeros((7, 9, 9), np.uint8), affine((1.3, 1.1, 0.9), (4.0, 3.0, 2.0)))
    at = coarse.map_reference_to_indices(world(reference).reshape(-1, 3)).T
    expected = ndimage.map_coordinates(coarse.array, at, order=1, mode="nearest").reshape(reference.shape)
    np.testing.assert_allclose(resample_back(coarse, reference).array, expected, atol=1e-6)


def test_outside_of_what_the_network_saw_there_is_background() -> None:
    part = affine((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
    reference = volume(np.zeros((8, 8, 8), np.uint8))
    inside = np.zeros((8, 8, 8), dtype=bool)
    inside[2:5, 2:5, 2:5] = True
    full = np.ones((3, 3, 3))
    np.testing.assert_array_equal(resample_back(mask(full, part), reference).array > 0, inside)
    np.testing.assert_array_equal(resample_back(probability(full, part), reference).array, inside)
    back = resample_back(scores(0 * full, full, grid=part), reference)
    np.testing.assert_array_equal(back.array[..., 1], inside)
    np.testing.assert_array_equal(back.array.sum(axis=-1), 1)


def test_the_best_class_on_the_fine_grid_is_that_of_the_interpolated_scores() -> None:
    logits = RNG.random((3, 6, 7, 8))
    coarse = reorient(scores(*(logits / logits.sum(axis=0)), grid=affine((2.0, 2.0, 2.0))), orientation="RAH")
    reference = volume(np.zeros((13, 12, 15), np.uint8), affine((1.1, 1.2, 0.9), (-1.0, 1.0, 0.3)))
    expected = arg_max(resample_back(coarse, reference))
    made = arg_max_on(coarse, reference)
    assert made.geometry_equal(reference)
    assert {0, 1, 2} == set(np.unique(made.array))
    np.testing.assert_array_equal(made.array, expected.array)


@pytest.mark.parametrize("orientation", ["RAH", "FPL", "AHR"])
def test_a_turned_view_is_resampled_as_its_copy_would_be(orientation: str) -> None:
    turned = reorient(image(RNG.random((9, 10, 11)), CT), orientation=orientation)
    copied = Image(turned.with_array(np.ascontiguousarray(turned.array)))
    spacing = (1.7, 0.9, 2.2)
    np.testing.assert_allclose(
        resample(turned, spacing=spacing).array, resample(copied, spacing=spacing).array, atol=1e-6
    )


def test_a_small_structure_is_found_on_the_fine_grid_wherever_it_lies_and_nothing_stays_nothing() -> None:
    reference = volume(np.zeros((14, 13, 15), np.uint8), affine((0.8, 0.9, 0.7), (-1.0, 1.0, 0.3)))
    for corner in [(0, 0, 0), (5, 6, 7), (3, 2, 4)]:
        first = np.zeros((6, 7, 8))
        first[corner] = 0.9
        coarse = scores(1 - first, first, 0 * first, grid=affine((2.0, 2.0, 2.0)))
        expected = arg_max(resample_back(coarse, reference))
        np.testing.assert_array_equal(arg_max_on(coarse, reference).array, expected.array)
    nothing = scores(np.ones((6, 7, 8)), np.zeros((6, 7, 8)), grid=affine((2.0, 2.0, 2.0)))
    assert arg_max_on(nothing, reference).array.sum() == 0


def test_a_turned_volume_is_not_brought_back_by_force() -> None:
    turned = Probability(probability(np.ones((4, 4, 4)), affine(degrees=10)))
    with pytest.raises(OperatorContractBroken, match="not parallel"):
        resample_back(turned, volume(np.zeros((4, 4, 4), np.uint8)))
