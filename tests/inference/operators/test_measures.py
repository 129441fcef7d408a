"""Numbers against shapes whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import EmptyMask, NotMeasurable
from inference.operators.measures import measure_volume, ratio_percent
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
