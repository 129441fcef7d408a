"""What the CT networks learn from: drawn torsos that differ, lobes parted by a plane, patches that stay true."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
import pytest
import torch

from inference.training.ct import patches, phantoms, real
from inference.training.ct.case import Case, Structure, kept, split_lobes
from inference.training.ct.patches import PLAIN, TRAINING, View
from inference.training.ct.tasks import LOBES, TASKS

COARSE_MM = 6.0
VIEW = View((24, 20, 20), 8.0, (-160.0, 240.0))


@cache
def torso(seed: int) -> Case:
    return phantoms.draw(seed, spacing_mm=COARSE_MM)


def litres(case: Case, *structures: Structure) -> float:
    return float(np.isin(case.structures, structures).sum()) * case.spacing_mm**3 / 1e6


@pytest.mark.parametrize("seed", [11, 12])
def test_a_drawn_torso_has_organs_of_an_adults_size(seed: int) -> None:
    case = torso(seed)
    assert 0.8 < litres(case, Structure.RIGHT_LOBE, Structure.LEFT_LOBE) < 2.5
    assert 0.03 < litres(case, Structure.SPLEEN) < 0.4
    assert 0.15 < litres(case, Structure.KIDNEYS) < 0.5
    assert 0.7 < litres(case, Structure.LUNGS) < 4
    assert 0.05 < litres(case, Structure.VESSELS) < 0.25


def test_a_drawn_torso_has_the_densities_of_its_tissues() -> None:
    case = torso(11)
    means = {one: float(case.hu[case.structures == one].mean()) for one in Structure}
    assert means[Structure.LUNGS] < -700
    assert 40 < means[Structure.RIGHT_LOBE] < 135
    assert means[Structure.VESSELS] > means[Structure.LUNGS] + 700


def test_borders_of_drawn_organs_are_shared_between_tissues() -> None:
    case = torso(11)
    lungs = case.structures == Structure.LUNGS
    edge = lungs[:, :, 1:] != lungs[:, :, :-1]
    below, above = case.hu[:, :, :-1][edge], case.hu[:, :, 1:][edge]
    between = ((below > -780) & (below < -100)) | ((above > -780) & (above < -100))
    assert between.mean() > 0.3


def test_one_seed_draws_one_torso_and_another_seed_another() -> None:
    again = phantoms.draw(11, spacing_mm=COARSE_MM)
    assert np.array_equal(again.hu, torso(11).hu)
    assert not np.array_equal(torso(12).structures, torso(11).structures)


def test_the_left_lobe_lies_to_the_left_of_the_plane_through_vena_cava_and_bifurcation() -> None:
    cava = np.array([(-20.0, 40.0, z) for z in (0.0, 40.0, 80.0)])
    bifurcation = np.array((-40.0, 0.0, 20.0))
    points = np.array([(-100.0, 0.0, 30.0), (60.0, 0.0, 30.0), (-31.0, 20.0, 70.0), (-29.0, 20.0, 10.0)])
    left = split_lobes(points, cava_mm=cava, bifurcation_mm=bifurcation)
    assert left.tolist() == [False, True, False, True]


def test_both_lobes_of_a_drawn_liver_are_shares_as_they_occur() -> None:
    left, right = litres(torso(12), Structure.LEFT_LOBE), litres(torso(12), Structure.RIGHT_LOBE)
    assert 0.15 < left / (left + right) < 0.6


def test_a_patch_without_bending_is_the_case_itself() -> None:
    case = torso(11)
    view = View((20, 15, 15), case.spacing_mm, (-1000.0, 1000.0))
    box = np.array([(15, 15, 15), (35, 30, 30)]) * case.spacing_mm
    image, structures = patches.patch(case, view, box_mm=box, rng=np.random.default_rng(0), strength=PLAIN)
    wanted = np.clip((case.hu[15:35, 15:30, 15:30] + 1000) / 2000, 0, 1)
    assert np.allclose(image[0].numpy(), wanted, atol=1e-3)
    assert np.array_equal(structures.numpy(), case.structures[15:35, 15:30, 15:30])


def test_a_training_patch_is_bent_yet_stays_in_its_window() -> None:
    case = torso(11)
    box = case.box_mm(Structure.RIGHT_LOBE)
    image, structures = patches.patch(case, VIEW, box_mm=box, rng=np.random.default_rng(3))
    plain, _ = patches.patch(case, VIEW, box_mm=box, rng=np.random.default_rng(3), strength=PLAIN)
    assert image.shape == (1, *VIEW.shape)
    assert 0 <= float(image.min()) < float(image.max()) <= 1
    assert (structures == Structure.RIGHT_LOBE).any()
    assert not torch.equal(image, plain)


def test_patches_never_mirror_the_body() -> None:
    case = torso(11)
    box = case.box_mm(Structure.RIGHT_LOBE, Structure.SPLEEN)
    view = View((48, 32, 32), 8.0, (-160.0, 240.0))
    for seed in range(6):
        _, structures = patches.patch(
            case, view, box_mm=box, rng=np.random.default_rng(seed), strength=replace(TRAINING)
        )
        liver, spleen = (np.argwhere(structures.numpy() == one)[:, 0] for one in (1, Structure.SPLEEN))
        assert liver.mean() < spleen.mean()


def test_what_lies_beyond_a_case_is_air() -> None:
    case = torso(11)
    far = np.array([(-500.0, -500.0, -500.0), (-400.0, -400.0, -400.0)])
    image, structures = patches.patch(case, VIEW, box_mm=far, rng=np.random.default_rng(0), strength=PLAIN)
    assert float(image.max()) == 0
    assert not structures.any()


def test_every_task_names_structures_once_and_leaves_the_rest_to_background() -> None:
    for task in TASKS.values():
        assert len(set(task.structures)) == len(task.structures)
        assert set(task.lookup) == set(range(len(task.classes) + 1))
        assert all(size % 8 == 0 for size in task.view.shape)
    assert LOBES.lookup[Structure.SPLEEN] == 0


def test_a_case_is_made_once_and_then_read(tmp_path: Path) -> None:
    file = tmp_path / "cases" / "one.npz"
    first = kept(file, lambda: torso(11))
    second = kept(file, lambda: pytest.fail("made twice"))
    assert np.array_equal(first.hu, second.hu)
    assert (second.name, second.spacing_mm) == ("phantom 11", COARSE_MM)


def test_the_real_cts_liver_is_parted_and_its_organs_renamed(tmp_path: Path) -> None:
    ct, mask = published(tmp_path)
    _, structures = real.load(ct, mask)
    found = {Structure(value) for value in np.unique(structures.array)}
    assert found == {
        Structure.NONE, Structure.RIGHT_LOBE, Structure.LEFT_LOBE, Structure.VESSELS, Structure.KIDNEYS
    }  # fmt: skip
    lobes = [hd.Volume.map_indices_to_reference(structures, np.argwhere(structures.array == one)) for one in (1, 2)]
    assert lobes[0][:, 0].mean() < real.BIFURCATION_LPS_MM[0] < lobes[1][:, 0].mean()


def test_a_stray_island_is_not_part_of_the_liver(tmp_path: Path) -> None:
    ct, mask = published(tmp_path)
    _, structures = real.load(ct, mask)
    assert structures.array[-2, 2, 2] == Structure.NONE


def test_the_splenic_vein_is_no_vessel_of_the_liver(tmp_path: Path) -> None:
    ct, mask = published(tmp_path)
    _, structures = real.load(ct, mask)
    published_veins = nibabel.load(mask).get_fdata() == real.PORTAL_AND_SPLENIC_VEIN
    vessels = np.argwhere(structures.array == Structure.VESSELS)
    lefts = structures.map_indices_to_reference(vessels)[:, 0]
    assert published_veins.sum() == 10
    assert lefts.max() <= real.CONFLUENCE_LEFT_MM
    # Half of the ten voxels of vein lie to the right of the confluence; the rest of the vessels is the vena cava.
    assert len(vessels) == 2 * 2 * 18 + 5


def published(folder: Path) -> tuple[Path, Path]:
    """A CT and its mask as published (RAS), 8 mm voxels: a liver with an island far from it, a vena cava, a kidney."""
    numbers = np.zeros((40, 30, 20), np.uint8)
    numbers[5:30, 8:20, 3:16] = real.LIVER
    numbers[20:22, 9:11, 0:18] = real.VENA_CAVA
    numbers[32:36, 5:8, 2:8] = 2
    numbers[17:27, 22, 8] = real.PORTAL_AND_SPLENIC_VEIN
    numbers[-2, -3, 2] = real.LIVER
    spacing = 8.0
    affine = np.diag([-spacing, spacing, spacing, 1.0])
    left_of_origin = -real.BIFURCATION_LPS_MM[0] + 17 * spacing
    affine[:3, 3] = (left_of_origin, -real.BIFURCATION_LPS_MM[1] - 15 * spacing, real.BIFURCATION_LPS_MM[2] - 80)
    densities = np.where(numbers > 0, 100, -50).astype(np.int16)
    files = folder / "ct.nii.gz", folder / "mask.nii.gz"
    for array, file in zip((densities, numbers), files, strict=True):
        nibabel.save(nibabel.Nifti1Image(array, affine), file)
    return files
