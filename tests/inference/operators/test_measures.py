"""Numbers against shapes whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import EmptyMask, NotMeasurable, OperatorContractBroken
from inference.operators.measures import (
    Statistic,
    dice,
    intensity_percentile,
    intensity_statistic,
    measure_volume,
    ratio_percent,
    surface_area,
)
from inference.operators.values import Measurement
from tests.inference.operators.volumes import affine, ball, image, labels, mask


def test_the_volume_of_a_ball_on_an_oblique_grid_is_that_of_geometry() -> None:
    grid = image(np.zeros((30, 70, 60)), affine((2.5, 0.9, 1.1), (-30.0, -40.0, -20.0), degrees=17))
    centre = grid.map_indices_to_reference(np.array([[15.0, 35.0, 30.0]]))[0]
    found = measure_volume(mask(ball(grid, centre=centre, radii=(20, 20, 20)), grid.affine))
    assert found.value == pytest.approx(4 / 3 * np.pi * 20**3 / 1000, rel=0.01)
    assert found.unit == "ml"


def test_nothing_is_zero_only_where_the_definition_says_so() -> None:
    empty = labels(np.array([[[0, 2]]]))
    with pytest.raises(EmptyMask):
        measure_volume(empty)
    assert measure_volume(empty, empty="zero") == Measurement(0.0, "ml")
    assert measure_volume(empty, label=2).value == pytest.approx(0.001)


def test_a_ratio_is_the_part_of_the_whole() -> None:
    left, right, vessels = (Measurement(value, "ml") for value in (300.0, 800.0, 100.0))
    assert ratio_percent(left, right, vessels) == Measurement(25.0, "%")
    assert ratio_percent(left) == Measurement(100.0, "%")
    with pytest.raises(NotMeasurable, match="measures zero"):
        ratio_percent(Measurement(0.0, "ml"), Measurement(0.0, "ml"))


def test_the_surface_of_a_box_is_that_of_its_sides_but_for_its_bevelled_edges() -> None:
    block = np.zeros((40, 40, 40))
    block[5:35, 5:35, 5:35] = 1
    found = surface_area(mask(block, affine((2.0, 1.0, 0.5))))
    assert found.value == pytest.approx(2 * (60 * 30 + 60 * 15 + 30 * 15) / 100, rel=0.03)
    assert found.unit == "cm2"


def test_the_surface_of_a_ball_is_too_large_by_the_steps_of_its_mesh() -> None:
    grid = image(np.zeros((60, 60, 60)))
    found = surface_area(mask(ball(grid, centre=(30, 30, 30), radii=(24, 24, 24)))).value
    assert 1.0 < found / (4 * np.pi * 24**2 / 100) < 1.1


def test_a_surface_of_nothing_is_refused_or_zero() -> None:
    empty = mask(np.zeros((3, 3, 3)))
    with pytest.raises(EmptyMask):
        surface_area(empty)
    assert surface_area(empty, empty="zero") == Measurement(0.0, "cm2")


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("mean", 4.0), ("standard-deviation", np.std([1, 2, 9])), ("median", 2.0), ("minimum", 1.0), ("maximum", 9.0)],
)
def test_statistics_are_of_the_voxels_inside(statistic: Statistic, expected: float) -> None:
    ct, inside = image(np.array([[[1, 2, 9, 100]]])), mask(np.array([[[1, 1, 1, 0]]]))
    found = intensity_statistic(ct, inside, statistic=statistic, unit="[hnsf'U]")
    assert found.value == pytest.approx(expected)
    assert found.unit == "[hnsf'U]"


def test_a_percentile_is_numpys_and_must_be_one() -> None:
    ct, inside = image(np.array([[[1, 2, 9, 100]]])), mask(np.array([[[1, 1, 1, 0]]]))
    assert intensity_percentile(ct, inside, percentile=75, unit="1").value == pytest.approx(5.5)
    with pytest.raises(OperatorContractBroken, match="outside of 0 %"):
        intensity_percentile(ct, inside, percentile=120, unit="1")


def test_intensities_need_a_mask_with_something_in_it_on_the_same_grid() -> None:
    ct = image(np.ones((2, 2, 2)))
    with pytest.raises(NotMeasurable, match="empty"):
        intensity_statistic(ct, mask(np.zeros((2, 2, 2))), statistic="mean", unit="1")
    with pytest.raises(OperatorContractBroken, match="different grids"):
        intensity_statistic(ct, mask(np.ones((2, 2, 2)), affine((2.0, 1.0, 1.0))), statistic="mean", unit="1")


def test_dice_is_twice_the_shared_part() -> None:
    first, second = mask(np.array([[[1, 1, 1, 0]]])), mask(np.array([[[0, 1, 1, 1]]]))
    assert dice(first, second).value == pytest.approx(2 / 3)
    assert dice(first, second).unit == "1"
    assert dice(first, first).value == 1
    with pytest.raises(NotMeasurable, match="both masks are empty"):
        dice(mask(np.zeros((2, 2, 2))), mask(np.zeros((2, 2, 2))))
