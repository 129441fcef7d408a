"""Registration against turns and shifts that are known, on a head of ellipsoids and small spheres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from highdicom import Volume
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from inference.errors import NotMeasurable
from inference.operators.registration import (
    NotAligned,
    RigidTransform,
    align_prior,
    load_prior,
    register_to_prior,
    volume_outside_prior,
)
from inference.operators.values import Image, Measurement, PriorSeries
from tests.inference.operators.volumes import affine, image, mask, volume

Matrix = NDArray[np.float64]
ELLIPSOIDS = (
    # centre, radii in mm, LPS, and what is added to the signal
    ((0, 0, 0), (68, 85, 72), 0.5),
    ((0, 3, 2), (58, 74, 60), 0.4),
    ((-14, -8, 10), (7, 22, 9), -0.5),
    ((15, -4, 10), (6, 20, 11), -0.5),
    ((30, 30, 20), (14, 10, 12), 0.6),
    ((-35, -30, -15), (16, 12, 10), 0.3),
    ((5, 50, -30), (24, 14, 14), -0.25),
)
GYRI = 40
"""Small spheres near the surface, which tell one turn from another as a brain's folds do."""
NOWHERE_NEAR = np.array([[55.0, 0, 0], [-55, 0, 0], [0, 70, 0], [0, -70, 0], [0, 0, 55], [0, 0, 0]])
"""Points of the head at which two transforms are compared."""


def rigid(*, degrees: tuple[float, float, float], mm: tuple[float, float, float]) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = mm
    return matrix


def gyri() -> list[tuple[Any, Any, float]]:
    random = np.random.default_rng(11)
    directions = random.standard_normal((GYRI, 3))
    centres = directions / np.linalg.norm(directions, axis=1, keepdims=True) * (52, 67, 54)
    return [(centre, (random.uniform(4, 9),) * 3, random.choice([-0.35, 0.35])) for centre in centres]


def head(to_head: Matrix, *, spacing: tuple[float, float, float], inverted: bool = False, seed: int = 0) -> Image:
    """An axial scan; `to_head` takes the scanner's mm to the head's. Inverted, dark and bright change places."""
    shape = tuple(int(extent / step) for extent, step in zip((200, 230, 200), spacing, strict=True))
    grid = affine(spacing, tuple(-step * size / 2 for step, size in zip(spacing[::-1], shape[::-1], strict=True)))
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    points = (indices @ (to_head @ grid)[:3, :3].T + (to_head @ grid)[:3, 3]).astype(np.float32)
    signal = np.zeros(shape, dtype=np.float32)
    for centre, radii, added in (*ELLIPSOIDS, *gyri()):
        distance = (np.linalg.norm((points - np.float32(centre)) / np.float32(radii), axis=-1) - 1) * min(radii)
        signal += added / (1 + np.exp(np.clip(2 * distance, -50, 50)))
    if inverted:
        signal = np.where(signal > 0.2, 1.6 - signal, signal)
    noise = np.random.default_rng(seed).normal(0, 0.02, shape)
    return image(np.abs(1000 * (signal + noise)), grid)


@pytest.mark.parametrize(
    ("degrees", "mm", "inverted"),
    [((4, -6, 8), (7, -5, 9), False), ((-5, 3, -9), (-12, 10, 6), True)],
    ids=["moved", "moved, in another contrast"],
)
def test_a_known_turn_and_shift_are_found_to_half_a_millimetre_and_half_a_degree(
    degrees: tuple[float, float, float], mm: tuple[float, float, float], inverted: bool
) -> None:
    truth = rigid(degrees=degrees, mm=mm)
    now = head(truth, spacing=(3.0, 2.0, 2.0))
    before = head(np.eye(4), spacing=(3.0, 2.0, 2.0), inverted=inverted, seed=1)
    found = register_to_prior(now, before)
    assert at(found.matrix) == pytest.approx(at(truth), abs=0.5)
    assert turn_between(found.matrix, truth) < 0.5
    assert found.overlap > 0.95
    assert found.degrees == pytest.approx(turn_between(truth, np.eye(4)), abs=0.5)


def test_the_same_images_give_the_same_transform() -> None:
    now, before = (
        head(rigid(degrees=(2, 1, -3), mm=(3, 2, 1)), spacing=(5.0, 3.0, 3.0)),
        head(np.eye(4), spacing=(4.0,) * 3),
    )
    first, second = (register_to_prior(now, before) for _ in range(2))
    assert np.array_equal(first.matrix, second.matrix)


def test_what_is_no_head_is_refused_in_words() -> None:
    now = head(np.eye(4), spacing=(4.0, 4.0, 4.0))
    noise = np.random.default_rng(3).random(now.array.shape)
    with pytest.raises(NotAligned, match=r"cannot be aligned: .* Look at whether both series show the same patient"):
        register_to_prior(now, image(noise, now.affine))


def test_a_blank_image_is_refused_in_words() -> None:
    now = head(np.eye(4), spacing=(4.0, 4.0, 4.0))
    with pytest.raises(NotAligned, match="one of the images is blank"):
        register_to_prior(now, image(np.zeros(now.array.shape), now.affine))


def test_a_first_exam_has_no_prior_and_says_so() -> None:
    with pytest.raises(NotMeasurable, match="first exam"):
        load_prior(PriorSeries(None))


def test_the_priors_mask_is_laid_where_the_same_tissue_is_now() -> None:
    truth = rigid(degrees=(3, -4, 6), mm=(6, -3, 4))
    now, before = (grid_of(spacing) for spacing in ((3.0, 1.5, 1.5), (2.0, 2.0, 2.0)))
    wanted, prior = ball(now, truth), mask(ball(before, np.eye(4)), before.affine)
    laid = align_prior(prior, RigidTransform(truth, similarity=1.2, overlap=1.0), now)
    assert laid.array.dtype == np.uint8
    assert laid.geometry_equal(now)
    assert 2 * np.sum(laid.array & wanted) / (laid.array.sum() + wanted.sum()) > 0.95


def test_only_what_lies_beyond_the_margin_of_the_prior_is_new() -> None:
    before, now = np.zeros((30, 40, 40)), np.zeros((30, 40, 40))
    before[10:20, 10:20, 10:20] = 1
    now[10:20, 10:20, 8:20] = 1  # 2 mm more, within the margin
    grid = affine((1.0, 1.0, 1.0))
    assert volume_outside_prior(mask(now, grid), mask(before, grid), margin=3.0) == Measurement(0.0, "ml")
    now[2:5, 30:40, 30:40] = 1
    assert volume_outside_prior(mask(now, grid), mask(before, grid), margin=3.0).value == pytest.approx(0.3)
    nothing = mask(np.zeros_like(before), grid)
    assert volume_outside_prior(mask(now, grid), nothing, margin=3.0).value == pytest.approx(1.5)


def at(matrix: Matrix) -> Matrix:
    return NOWHERE_NEAR @ matrix[:3, :3].T + matrix[:3, 3]


def turn_between(one: Matrix, other: Matrix) -> float:
    return float(np.degrees(Rotation.from_matrix(one[:3, :3] @ other[:3, :3].T).magnitude()))


def grid_of(spacing: tuple[float, float, float]) -> Volume:
    shape = tuple(int(120 / step) for step in spacing)
    return volume(np.zeros(shape, dtype=np.uint8), affine(spacing, (-60.0, -60.0, -60.0)))


def ball(grid: Volume, to_head: Matrix) -> NDArray[np.uint8]:
    """A ball of 20 mm at (5, -8, 3) mm of the head, on a grid of the scanner."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.spatial_shape), indexing="ij"), axis=-1)
    matrix = to_head @ grid.affine
    points = indices @ matrix[:3, :3].T + matrix[:3, 3]
    return np.asarray(np.linalg.norm(points - (5, -8, 3), axis=-1) < 20, dtype=np.uint8)
