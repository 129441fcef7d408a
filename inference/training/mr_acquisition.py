"""An MR acquisition of a drawn patient: partial volume, coil shading, Rician noise, and the true mask on its grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.training import fields
from inference.training.brain_lesions import NEVER, WARP_REACH, Lesion, Patient, radius_of
from inference.training.brains import DISTANCE, FLUID, GREY, SCALP, WHITE, Brain
from inference.training.fields import Grid
from inference.training.mr_contrasts import Contrast

SUBSLICE = 1.6
"""Slices thicker than this, in mm, are averaged over several thinner ones."""
EDGE = 0.7
"""Scale in mm of the fading of a lesion's signal across its border."""
TEXTURE = 0.03
"""How much the signal of one tissue varies over a few mm."""
NECROTIC = 0.55
"""Signal of necrosis, between the core's (0) and fluid's (1)."""


@dataclass(frozen=True)
class Scan:
    """How one acquisition is made. pose: (4, 4) from the scanner's mm, LPS, to those of the patient's head.

    shading: spread of the coil's shading; noise: of the noise, relative to white matter. layers: mm outside the brain's
    hull where fluid, bone, fat and skin end, for anatomies without a scalp of their own; None draws no head at all.
    """

    grid: Grid
    pose: NDArray[np.float64]
    contrast: Contrast
    shading: float
    noise: float
    layers: tuple[float, float, float, float] | None
    has_dark_background: bool


@dataclass(frozen=True)
class Acquired:
    """image: float32 signal; lesion: uint8; both (slices, rows, columns) on `grid`."""

    image: NDArray[np.float32]
    lesion: NDArray[np.uint8]
    grid: Grid

    @property
    def lesion_ml(self) -> float:
        """True volume: of the voxels of the mask."""
        return float(self.lesion.sum()) * self.grid.voxel_ml


def acquire(patient: Patient, scan: Scan, random: np.random.Generator, *, lesion_ml: float) -> Acquired:
    """Draw `patient` with a lesion of `lesion_ml`, to the nearest voxel, as `scan` would see it."""
    thickness = float(np.linalg.norm(scan.grid.affine[:3, 0]))
    count = 2 * int(np.ceil(thickness / SUBSLICE) // 2) + 1
    texture = fields.noise(random, wavelength=5, reach=WARP_REACH, channels=1)
    shading = fields.noise(random, wavelength=90, reach=WARP_REACH, channels=1)
    middle = _in_head(scan, 0.0)
    at_middle = patient.tissues(middle, lesion_ml=lesion_ml)
    border, mask = _border(patient, scan, middle, at_middle, ml=lesion_ml)
    signal = torch.zeros(scan.grid.shape)
    for shift in (np.arange(count) - count // 2) / count:
        points = _in_head(scan, float(shift)) if shift else middle
        tissues = patient.tissues(points, lesion_ml=lesion_ml) if shift else at_middle
        drawn = _signal(patient, scan, points, tissues, border=border, ml=lesion_ml)
        signal += drawn / count
    signal = (
        signal
        * (1 + TEXTURE * texture.at(middle)[..., 0])
        * torch.exp(scan.shading * shading.at(scan.grid.points())[..., 0])
    )
    return Acquired(_with_noise(signal.numpy(), scan, random), mask, scan.grid)


def _in_head(scan: Scan, shift: float) -> Tensor:
    pose = torch.from_numpy(scan.pose).to(torch.float32)
    return scan.grid.points(shift=shift) @ pose[:3, :3].T + pose[:3, 3]


def _border(
    patient: Patient, scan: Scan, points: Tensor, tissues: Tensor, *, ml: float
) -> tuple[float, NDArray[np.uint8]]:
    """The level that `ml` millilitres of voxels lie below, and where they lie."""
    mask = np.zeros(scan.grid.shape, dtype=np.uint8)
    if patient.lesion is None or ml <= 0:
        return -NEVER, mask
    level = patient.lesion.level(points, tissues).numpy()
    voxels = round(ml / scan.grid.voxel_ml)
    order = np.argsort(level, axis=None, kind="stable")[: voxels + 1]
    mask.flat[order[:voxels]] = 1
    return float(level.flat[order[-2:]].mean()), mask


def _signal(patient: Patient, scan: Scan, points: Tensor, tissues: Tensor, *, border: float, ml: float) -> Tensor:
    contrast = scan.contrast
    tissue = contrast.white * tissues[..., WHITE] + contrast.grey * tissues[..., GREY]
    if patient.lesion is not None and ml > 0:
        depth = border - patient.lesion.level(points, tissues)
        tissue = _with_lesion(
            tissue, tissues, patient.lesion, points, depth=depth, contrast=contrast, radius=radius_of(ml)
        )
    return tissue + contrast.fluid * tissues[..., FLUID] + _head(patient.brain, scan, tissues)


def _with_lesion(
    tissue: Tensor,
    tissues: Tensor,
    lesion: Lesion,
    points: Tensor,
    *,
    depth: Tensor,
    contrast: Contrast,
    radius: float,
) -> Tensor:
    """Signal of white and grey matter where lesion replaces them. depth: mm below the lesion's outer border."""
    near = depth > -8 * EDGE
    deep, where = depth[near], points[near]
    deep_core = deep + 0.35 * radius * lesion.roughness.at(where)[:, 1].clamp(-1, 1) - lesion.core_part * radius
    core, shell = torch.sigmoid(deep_core / EDGE), torch.exp(-(((deep_core - 2) / 2) ** 2))
    necrosis = torch.sigmoid((deep_core - (lesion.necrosis - lesion.core_part) * radius) / EDGE)
    inner = contrast.core + necrosis * NECROTIC * (contrast.fluid - contrast.core)
    inner = inner + shell * (contrast.rim - inner)
    own = contrast.oedema + core * (inner - contrast.oedema)
    solid = (tissues[near][:, WHITE] + tissues[near][:, GREY]).clamp(max=1)
    mixed = tissue.clone()
    mixed[near] = tissue[near] + torch.sigmoid(deep / EDGE) * (own * solid - tissue[near])
    return mixed


def _head(brain: Brain, scan: Scan, tissues: Tensor) -> Tensor:
    if scan.layers is None:
        return torch.zeros(tissues.shape[:-1])
    distance = tissues[..., DISTANCE]
    if brain.has_scalp:
        return scan.contrast.fat * tissues[..., SCALP]
    fluid, bone, fat, skin = (torch.sigmoid(1.5 * (end - distance)) for end in scan.layers)
    outside = torch.sigmoid(4 * (distance - 0.5))
    contrast = scan.contrast
    shells = contrast.fluid * fluid + 0.08 * (bone - fluid) + contrast.fat * (fat - bone) + contrast.skin * (skin - fat)
    return outside * shells


def _with_noise(signal: NDArray[np.float32], scan: Scan, random: np.random.Generator) -> NDArray[np.float32]:
    """Rician noise; the background is dark where the scanner masks what is air."""
    sigma = scan.noise * scan.contrast.white
    real, imaginary = random.standard_normal((2, *signal.shape)).astype(np.float32) * sigma
    noisy = np.hypot(signal + real, imaginary)
    if scan.has_dark_background:
        noisy[signal < 0.02] = 0
    return np.asarray(noisy, dtype=np.float32)


def stripped(scan: Scan) -> Scan:
    """The scan of a brain whose skull was taken away before."""
    return replace(scan, layers=None, has_dark_background=True)
