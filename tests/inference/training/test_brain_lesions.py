"""Drawn lesions have the volume that was asked for, on every grid, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from inference.training import train_glioma
from inference.training.brain_lesions import new_patient
from inference.training.brains import Brain
from inference.training.fields import Sampled
from inference.training.glioma_cases import SPACING, as_volume, axial_grid, draw, new_scan, pose, prepared
from inference.training.mr_acquisition import Acquired, Scan, acquire, stripped
from inference.training.mr_contrasts import FLAIR

STEP = 4.0
"""Spacing of the maps of the plain brain, in mm."""


@lru_cache(maxsize=1)
def plain_brain() -> Brain:
    """White matter in a shell of grey matter, with two ventricles: an ellipsoid that needs no download."""
    sizes = (48, 56, 48)
    centre = (np.array(sizes) - 1) / 2
    points = (np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1) - centre) * STEP
    outward = (np.linalg.norm(points / (66, 82, 64), axis=-1) - 1) * 64
    ventricles = np.minimum(*(np.linalg.norm((points - (side, -5, 5)) / (6, 22, 10), axis=-1) for side in (-12, 12)))
    inside, fluid = outward <= 0, ventricles < 1
    white, grey = inside & (outward < -9) & ~fluid, inside & (outward >= -9) & ~fluid
    channels = [white, grey, fluid, np.maximum(outward, 0)]
    affine = np.diag([STEP, STEP, STEP, 1.0])
    affine[:3, 3] = -STEP * centre
    return Brain("plain", Sampled(torch.from_numpy(np.stack(channels).astype(np.float32)), affine), has_scalp=False)


def scan_of(*, in_plane: float = 3.0, thickness: float = 5.0, turned: float = 0.0) -> Scan:
    made = new_scan(np.random.default_rng(1), in_plane=in_plane, contrast=FLAIR)
    grid = axial_grid(in_plane=in_plane, thickness=thickness)
    return replace(made, grid=grid, pose=pose(np.random.default_rng(2), degrees=turned, mm=turned / 2), noise=0.02)


def acquired(*, ml: float, scan: Scan | None = None) -> Acquired:
    patient = new_patient(plain_brain(), np.random.default_rng(5), lesion_ml=ml)
    return acquire(patient, scan or scan_of(), np.random.default_rng(5), lesion_ml=ml)


@pytest.mark.parametrize(("ml", "how"), [(0.6, {"turned": 6.0}), (9.0, {"thickness": 6.0}), (40.0, {"in_plane": 4.0})])
def test_the_mask_has_the_volume_that_was_asked_for(ml: float, how: dict[str, float]) -> None:
    made = acquired(ml=ml, scan=scan_of(**how))
    assert made.lesion_ml == pytest.approx(ml, abs=made.grid.voxel_ml)
    assert set(np.unique(made.lesion)) == {0, 1}


def test_without_a_lesion_the_mask_is_empty() -> None:
    assert acquired(ml=0.0).lesion_ml == 0


def test_one_seed_gives_one_case() -> None:
    first, second = (draw(plain_brain(), np.random.default_rng(8), in_plane=4.0) for _ in range(2))
    other = draw(plain_brain(), np.random.default_rng(9), in_plane=4.0)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.lesion, second.lesion)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)


def test_a_larger_lesion_holds_the_smaller_one() -> None:
    patient = new_patient(plain_brain(), np.random.default_rng(5), lesion_ml=12.0)
    small, large = (acquire(patient, scan_of(), np.random.default_rng(1), lesion_ml=ml) for ml in (10.0, 17.0))
    assert np.mean(large.lesion[small.lesion > 0]) > 0.97  # mass effect moves tissue a little


def test_a_lesion_is_bright_on_flair_within_the_brain() -> None:
    made = acquired(ml=20.0, scan=scan_of(thickness=3.0))
    lesion, elsewhere = made.lesion > 0, (made.lesion == 0) & (made.image > 0.4)
    assert made.image[lesion].mean() > 1.2 * np.median(made.image[elsewhere])
    assert made.image[lesion].min() >= 0


def test_a_stripped_scan_shows_no_scalp() -> None:
    patient = new_patient(plain_brain(), np.random.default_rng(3), lesion_ml=0)
    with_scalp, bare = scan_of(), stripped(scan_of())
    whole, brain = (acquire(patient, scan, np.random.default_rng(1), lesion_ml=0) for scan in (with_scalp, bare))
    assert np.count_nonzero(brain.image) < 0.8 * np.count_nonzero(whole.image > 0.2)


def test_the_network_sees_a_standardised_image_on_its_own_grid() -> None:
    made = acquired(ml=15.0, scan=scan_of(in_plane=2.0))
    case = prepared(made)
    inside = case.image[case.image != 0]
    assert float(inside.mean()) == pytest.approx(0, abs=1e-3)
    assert float(inside.std()) == pytest.approx(1, abs=1e-2)
    assert float(case.lesion.sum()) * SPACING**3 / 1000 == pytest.approx(15.0, rel=0.1)
    assert as_volume(made.lesion, made.grid).get_closest_patient_orientation()[0].value == "H"


def test_a_voxel_that_the_lesion_fills_in_part_is_to_be_learned_as_a_part() -> None:
    lesion = prepared(acquired(ml=15.0, scan=scan_of(in_plane=3.0))).lesion
    partly = (lesion > 0.05) & (lesion < 0.95)
    assert lesion.max() == 1
    assert 0.1 < float(partly.sum() / (lesion > 0.05).sum()) < 0.9


def test_two_steps_of_training_move_the_weights_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_glioma, "FIRST_CASES", 1)
    monkeypatch.setattr(train_glioma, "IN_PLANE", (3.0, 4.0))
    monkeypatch.setattr(train_glioma, "PATCH", 16)
    monkeypatch.setattr(train_glioma, "WARM_UP", 1)
    fit = train_glioma.Fit([plain_brain()], seed=1)
    before = [parameter.detach().clone() for parameter in fit.smoothed.parameters()]
    losses = [fit.step(spent=0.0) for _ in range(2)]
    assert np.isfinite(losses).all()
    assert any(not torch.equal(old, new) for old, new in zip(before, fit.smoothed.parameters(), strict=True))
