"""Findings put into a chest, and its projection, on a chest small enough to reason about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from inference.training.xray import chest_ct, chest_pictures
from inference.training.xray.chest_ct import Chest, Lung
from inference.training.xray.chest_findings import ChestFinding, with_finding
from inference.training.xray.chest_pictures import CHEST_SIZE, FINDINGS, STRAIGHT, WATER_MU
from inference.training.xray.chest_pictures import chest_pictures as pictures

SPACING = (8.0, 4.0, 4.0)
LUNG_DENSITY = 0.25


@pytest.fixture(scope="module")
def chest() -> Chest:
    """A block of water, 192 x 320 x 320 mm, with two lungs as blocks of 128 x 240 x 96 mm."""
    density = np.ones((24, 80, 80), dtype=np.float32)
    lungs = []
    for columns in (slice(8, 32), slice(48, 72)):
        density[4:20, 8:68, columns] = LUNG_DENSITY
        inside = np.zeros(density.shape, dtype=np.bool_)
        inside[4:20, 8:68, columns] = True
        lungs.append(chest_ct.lung_of(inside, SPACING))
    right, left = lungs
    return Chest(density, np.zeros_like(density), SPACING, left=left, right=right)


def changed(chest: Chest, finding: ChestFinding, seed: int = 0) -> np.ndarray:
    """Densities with `finding` less those without, at the same breath."""
    ill, well = (with_finding(chest, one, np.random.default_rng(seed)).density for one in (finding, FINDINGS[0]))
    return np.asarray(ill - well)


def lung_of(chest: Chest, difference: np.ndarray) -> Lung:
    """The lung that changed most."""
    changes = {lung: np.abs(difference[tuple(lung.voxels)]).sum() for lung in (chest.left, chest.right)}
    return max(changes, key=lambda lung: changes[lung])


def test_a_finding_leaves_everything_but_the_lungs_alone(chest: Chest) -> None:
    outside = np.ones(chest.density.shape, dtype=np.bool_)
    for lung in (chest.left, chest.right):
        outside[tuple(lung.voxels)] = False
    for finding in FINDINGS:
        assert not changed(chest, finding)[outside].any()


def test_a_collapsed_lung_leaves_air_at_its_edge_and_keeps_its_hilum(chest: Chest) -> None:
    difference = changed(chest, ChestFinding.PNEUMOTHORAX)
    lung = lung_of(chest, difference)
    collapsed = with_finding(chest, ChestFinding.PNEUMOTHORAX, np.random.default_rng(0)).density
    at_apex = lung.voxels[1] == lung.voxels[1].min()
    assert collapsed[tuple(lung.voxels[:, at_apex])].max() == 0
    centre = tuple(round(axis) for axis in lung.hilum)
    assert collapsed[centre] >= LUNG_DENSITY * 0.75


def test_fluid_stands_at_the_bottom_and_is_as_dense_as_water(chest: Chest) -> None:
    difference = changed(chest, ChestFinding.EFFUSION)
    lung = lung_of(chest, difference)
    filled = with_finding(chest, ChestFinding.EFFUSION, np.random.default_rng(0)).density
    rows = lung.voxels[1]
    assert filled[tuple(lung.voxels[:, rows == lung.lowest])].min() == pytest.approx(1.03, abs=0.05)
    assert np.abs(difference[tuple(lung.voxels[:, rows < lung.lowest - 58])]).max() < 0.5


def test_a_mass_is_as_large_as_it_is_said_to_be(chest: Chest) -> None:
    for seed in range(4):
        solid = changed(chest, ChestFinding.MASS, seed) > 0.3
        millilitres = solid.sum() * np.prod(SPACING) / 1000
        assert 7 < millilitres < 2 * 4 / 3 * np.pi * 3.2**3 * 1.4


def test_rays_add_up_what_they_pass(chest: Chest) -> None:
    parallel = replace(STRAIGHT, down=0.0, far=-120.0)
    exponent = chest_pictures.project(chest, parallel, rows=80, columns=80, spacing=4.0)
    assert exponent[2, 40] == pytest.approx(WATER_MU * 192, rel=1e-3)
    assert exponent[40, 20] == pytest.approx(WATER_MU * (192 - 0.75 * 128), rel=1e-3)


def test_what_lies_far_from_the_detector_is_magnified(chest: Chest) -> None:
    near, far = (
        chest_pictures.project(chest, replace(STRAIGHT, down=0.0, far=far), rows=80, columns=80, spacing=4.0)
        for far in (-120.0, 280.0)
    )
    dark = [(exponent[40] < WATER_MU * 150).sum() for exponent in (near, far)]
    assert dark[1] > 1.1 * dark[0]


def test_the_same_seed_renders_the_same_pictures(chest: Chest) -> None:
    first, again = (list(pictures(chest, 4, seed=7)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert [FINDINGS[one.finding] for one in first] == list(ChestFinding)
    assert {one.pixels.shape for one in first} == {CHEST_SIZE}


def test_the_ct_is_read_as_a_radiograph_shows_it_without_table_and_contrast_medium(
    tmp_path: Path,
) -> None:
    hounsfield = np.full((96, 96, 12), -1000, dtype=np.int16)  # towards left, front and head
    hounsfield[8:88, 24:88] = 40
    hounsfield[20:40, 36:76, 2:10] = -850
    hounsfield[56:76, 36:76, 2:10] = -850
    hounsfield[44:48, 60:64, 4:8] = 3000
    hounsfield[8:88, 4:8] = 200
    labels = np.zeros(hounsfield.shape, dtype=np.int16)
    labels[20:40, 36:76, 2:10], labels[56:76, 36:76, 2:10] = 12, 10
    affine = np.diag([-2.0, 2.0, 5.0, 1.0])
    for name, array in (("ct", hounsfield), ("mask", labels)):
        nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / f"{name}.nii.gz")
    read = chest_ct.load(tmp_path / "ct.nii.gz", tmp_path / "mask.nii.gz")
    assert read.density.shape == (32, 12, 48)
    assert read.spacing == (6.0, 5.0, 4.0)
    assert read.left.voxels[2].mean() > 24 > read.right.voxels[2].mean()
    assert read.density[:2].max() == 0  # the table lies behind the back
    assert read.density.max() < 1.1
    assert read.density[tuple(read.left.voxels)].mean() == pytest.approx(0.15, abs=0.05)
