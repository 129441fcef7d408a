"""Generators of radiographs: the same seed draws the same picture, and truths lie where the picture shows them."""

from __future__ import annotations

import numpy as np
import pytest

from inference.training.xray import exposure, hip_joint, hip_pictures, pelvis
from inference.training.xray.hip_joint import Finding
from inference.training.xray.hip_pictures import CROP_SIZE, FINDER_SIZE, FINDINGS
from inference.training.xray.pelvis import LEFT, RIGHT
from inference.training.xray.shapes import (
    Capsule,
    Grid,
    bone,
    capsule_field,
    depth,
    polygon_distance,
    turned_about,
    turned_point,
)

GRID = Grid(top=-190.0, left=-215.0, rows=96, columns=108, spacing=4.0)


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others() -> None:
    first, again, other = (next(hip_pictures.hip_pictures(1, seed=seed)).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    first, again = (next(hip_pictures.pelvis_pictures(1, seed=3)).pixels for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_pictures_are_what_the_networks_take() -> None:
    hips = list(hip_pictures.hip_pictures(3, seed=1))
    assert [FINDINGS[one.finding] for one in hips] == list(Finding)
    assert {one.pixels.shape for one in hips} == {(CROP_SIZE, CROP_SIZE)}
    whole = next(hip_pictures.pelvis_pictures(1, seed=1))
    assert whole.pixels.shape == FINDER_SIZE
    assert whole.pixels.min() == 0
    assert whole.pixels.max() == 1


def test_a_rod_is_as_deep_as_it_is_wide_and_its_wall_is_compact() -> None:
    grid = Grid(-20.0, -20.0, 401, 401, 0.1)
    rod = Capsule((-50.0, 0.0), (50.0, 0.0), 10.0, 10.0, wall=2.0)
    tissue = bone([rod], *grid.points)
    middle = tissue.compact[200, 200], tissue.spongy[200, 200]
    assert middle == pytest.approx((4.0, 16.0), abs=0.2)
    at_wall = 200 + 90
    assert tissue.spongy[at_wall, 200] == 0
    assert tissue.compact[at_wall, 200] == pytest.approx(2 * np.sqrt(100 - 81), abs=0.3)
    assert depth(capsule_field(rod, *grid.points))[at_wall + 11, 200] == 0


def test_distance_to_a_polygon_is_positive_inside() -> None:
    x, z = Grid(-5.0, -5.0, 10, 10, 1.0).points
    distance = polygon_distance([(-3, -3), (3, -3), (3, 3), (-3, 3)], x, z)
    assert distance[4, 4] == pytest.approx(2.5)
    assert distance[0, 4] == pytest.approx(-1.5)


def test_a_turned_point_is_where_the_turned_picture_shows_it() -> None:
    moved = turned_point((7.0, 3.0), (1.0, 2.0), degrees=30, shift=(4.0, -2.0))
    origin = turned_about((1.0, 2.0), degrees=30, shift=(4.0, -2.0))
    x, z = origin(np.array([[moved[0]]], dtype=np.float32), np.array([[moved[1]]], dtype=np.float32))
    assert (x[0, 0], z[0, 0]) == pytest.approx((7.0, 3.0), abs=1e-5)


@pytest.mark.parametrize("side", [0, 1])
def test_metal_lies_in_the_box_of_the_hip_that_has_it(side: int) -> None:
    findings = (Finding.HARDWARE, Finding.NORMAL) if side == 0 else (Finding.NORMAL, Finding.HARDWARE)
    for seed in range(6):
        patient = pelvis.some_pelvis(np.random.default_rng(seed), findings=findings)
        bones, _ = pelvis.draw(patient, GRID)
        box = pelvis.boxes(patient, GRID)[side]
        assert box.side == (RIGHT, LEFT)[side]
        rows, columns = np.nonzero(bones.metal)
        inside = (rows > box.top) & (rows < box.bottom) & (columns > box.left) & (columns < box.right)
        assert inside.mean() > 0.2
        halves = columns > GRID.columns / 2
        assert halves.all() if side else not halves.any()


def test_a_break_leaves_two_pieces_that_moved_apart() -> None:
    rng = np.random.default_rng(5)
    femur = hip_joint.some_femur(rng, size=1.0)
    cut = hip_joint.Break(femur.along_neck(0.6), 40.0, 3.0, 0.0, (0.0, 0.0), ())
    x, z = Grid(-60.0, -60.0, 240, 320, 0.5).points
    whole, broken = hip_joint.whole(femur, x, z), hip_joint.broken(femur, cut, x, z)
    lost = (whole.compact + whole.spongy) - (broken.compact + broken.spongy)
    in_gap = np.abs(cut.beyond(x, z)) < 0.5
    assert (broken.compact + broken.spongy)[in_gap].max() < 0.2 * (whole.compact + whole.spongy)[in_gap].max()
    assert np.abs(lost[np.abs(cut.beyond(x, z)) > 4]).max() < 0.05


def test_an_abducted_leg_takes_its_box_along() -> None:
    femur = hip_joint.some_femur(np.random.default_rng(1), size=1.0)
    (_, _), (straight, low) = hip_joint.box_of(femur, None)
    (_, _), (abducted, lifted) = hip_joint.box_of(femur, None, abducted=40)
    assert abducted > straight - 5
    assert lifted < low


def test_more_tissue_is_brighter_and_metal_is_brightest() -> None:
    exponent = np.broadcast_to(np.linspace(1, 6, 64, dtype=np.float32), (64, 64)).copy()
    plain = exposure.Exposure(quanta=1e6, scatter=0.1, reach=20, blur=0.1, low=0.0, high=1.0, gamma=1.0, edge=0.0)
    shown = exposure.expose(exponent, plain, spacing=2.0, rng=np.random.default_rng(0))
    columns = shown.mean(axis=0)
    assert (np.diff(columns) > 0).mean() > 0.95
    assert shown.min() == 0
    assert shown.max() == 1


def test_fewer_quanta_make_more_noise() -> None:
    def spread(quanta: float) -> float:
        rng = np.random.default_rng(0)
        half = np.concatenate([np.full((64, 32), 2.0), np.full((64, 32), 5.0)], axis=1).astype(np.float32)
        given = exposure.Exposure(quanta, scatter=0.0, reach=20, blur=0.01, low=0.1, high=0.9, gamma=1.0, edge=0.0)
        return float(exposure.expose(half, given, spacing=2.0, rng=rng)[:, :28].std())

    assert spread(1e3) > 2 * spread(1e5)
