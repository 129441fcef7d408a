"""Diameters of shapes whose lengths are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from inference.errors import EmptyMask
from inference.operators.diameters import (
    bidimensional_product,
    longest_diameter,
    longest_diameter_in_plane,
    perpendicular_diameter_in_plane,
)
from inference.operators.values import Measurement
from tests.inference.operators.volumes import affine, ball, image, labels, mask, world

GRID = affine((2.5, 0.8, 0.9), (-30.0, -40.0, -50.0), degrees=15)


def ellipsoid(radii: tuple[float, float, float], *, degrees: float = 0.0) -> NDArray[np.bool_]:
    """Radii across slices, along columns and along rows, in mm; turned within its slices by `degrees`."""
    turn = np.radians(degrees)
    k, j, i = np.meshgrid(np.arange(30) - 15, np.arange(80) - 40, np.arange(80) - 40, indexing="ij")
    z, y, x = k * 2.5, j * 0.8, i * 0.9
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return np.asarray((z / radii[0]) ** 2 + (across / radii[1]) ** 2 + (along / radii[2]) ** 2 <= 1)


@pytest.mark.parametrize("degrees", [0, 30, 77])
def test_an_ellipsoids_diameters_in_its_slices_are_its_axes_however_it_lies(degrees: float) -> None:
    lesion = mask(ellipsoid((12, 11, 22), degrees=degrees), GRID)
    assert longest_diameter_in_plane(lesion).value == pytest.approx(44, abs=1.0)
    assert perpendicular_diameter_in_plane(lesion).value == pytest.approx(22, abs=1.0)
    assert bidimensional_product(lesion).value == pytest.approx(44 * 22, rel=0.06)
    assert bidimensional_product(lesion).unit == "mm2"


def test_the_longest_diameter_may_run_across_the_slices() -> None:
    lesion = mask(ellipsoid((30, 11, 15)), GRID)
    assert longest_diameter(lesion).value == pytest.approx(60, abs=2.5)
    assert longest_diameter_in_plane(lesion).value == pytest.approx(30, abs=1.0)


def test_the_longest_line_is_that_between_the_farthest_of_all_surface_points() -> None:
    blob = np.random.default_rng(5).random((6, 7, 8)) > 0.7
    lesion = mask(blob, GRID)
    points = world(lesion)[blob]
    steps = lesion.affine[:3, :3].T / 2
    every = np.concatenate([points + sign * step for step in steps for sign in (-1, 1)])
    assert longest_diameter(lesion).value == pytest.approx(pdist(every).max())


def test_one_voxel_measures_its_own_size() -> None:
    one = np.zeros((3, 3, 3))
    one[1, 1, 1] = 2
    lesion = labels(one, affine((5.0, 2.0, 1.0)))
    assert longest_diameter(lesion, label=2).value == pytest.approx(5.0)
    assert longest_diameter(lesion, label=2).unit == "mm"
    assert longest_diameter_in_plane(lesion, label=2).value == pytest.approx(2.0)
    assert perpendicular_diameter_in_plane(lesion, label=2).value == pytest.approx(1.0)


def test_a_perpendicular_is_a_line_inside_and_not_the_width_of_a_shadow() -> None:
    # Its two other corners lie on opposite sides of the long diagonal and near opposite ends of it.
    corners = np.array([[5, 30], [11, 45], [65, 30], [59, 15]])
    columns, rows = np.meshgrid(np.arange(70), np.arange(60))
    inside = np.ones(rows.shape, dtype=bool)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (columns - x) * (next_y - y) - (rows - y) * (next_x - x) >= 0
    lesion = mask(inside[None].repeat(2, axis=0))
    assert longest_diameter_in_plane(lesion).value == pytest.approx(61, abs=0.5)
    assert perpendicular_diameter_in_plane(lesion).value == pytest.approx(15 + 15 / 9 + 1, abs=0.8)


def test_nothing_has_no_diameter() -> None:
    empty = mask(np.zeros((3, 3, 3)))
    for measure in (longest_diameter, longest_diameter_in_plane, perpendicular_diameter_in_plane):
        with pytest.raises(EmptyMask):
            measure(empty)
        assert measure(empty, empty="zero") == Measurement(0.0, "mm")


def test_a_ball_on_an_oblique_grid_has_its_diameter_in_every_way() -> None:
    grid = image(np.zeros((30, 80, 80)), GRID)
    centre = world(grid)[15, 40, 40]
    sphere = mask(ball(grid, centre=centre, radii=(20, 20, 20)), GRID)
    for measure in (longest_diameter, longest_diameter_in_plane, perpendicular_diameter_in_plane):
        assert measure(sphere).value == pytest.approx(40, abs=2.5)
