"""Patches as the networks see them: bent, turned, scaled, in another phase of contrast, noisy, blurred, cut.

Nothing is mirrored: the liver is on the right. Tensors are (channels, I, J, K), axes towards left, posterior, head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from inference.training.ct.case import AIR_HU, Case, Structure

NODE_MM = 45.0
"""Distance of the nodes between which the anatomy bends smoothly."""

PHASE_HU = {
    Structure.RIGHT_LOBE: (-15, 45),
    Structure.VESSELS: (-20, 80),
    Structure.SPLEEN: (-60, 30),
    Structure.KIDNEYS: (-80, 30),
    Structure.LUNGS: (-60, 40),
}
"""By how much another phase, dose or person may change a structure's density. Both lobes change alike."""


@dataclass(frozen=True)
class View:
    """What one network looks at: patch size in voxels, their width, the window in HU that becomes 0 to 1."""

    shape: tuple[int, int, int]
    spacing_mm: float
    window_hu: tuple[float, float]


@dataclass(frozen=True)
class Strength:
    """How far patches may differ from their case. Lengths in mm, angles in degrees."""

    shift_mm: float = 18.0
    angle: float = 12.0
    scale: float = 0.15
    bend_mm: float = 7.0
    noise_hu: float = 25.0


TRAINING = Strength()
HELD_OUT = Strength(shift_mm=10.0, angle=10.0, scale=0.12, bend_mm=6.0, noise_hu=15.0)
PLAIN = Strength(shift_mm=0.0, angle=0.0, scale=0.0, bend_mm=0.0, noise_hu=0.0)


def patch(
    case: Case, view: View, *, box_mm: NDArray[np.float64], rng: np.random.Generator, strength: Strength = TRAINING
) -> tuple[Tensor, Tensor]:
    """A patch about the middle of `box_mm` ((2, 3), from `Case.box_mm`) and its structures.

    Returns (1, I, J, K) float32 within 0..1 and (I, J, K) int64 of `Structure`.
    """
    points = _points(view, box_mm.mean(axis=0), rng, strength)
    hu = _sampled(case.above_air[None], case, points)[0] + AIR_HU
    shares = _sampled(case.shares, case, points)
    # Of equal shares the first is taken, so half a voxel of nothing against half a voxel of organ is nothing.
    structures = torch.cat([1 - shares.sum(dim=0, keepdim=True), shares]).argmax(dim=0)
    if strength.noise_hu > 0:
        hu = _other_phase(hu, structures, rng)
        hu = _other_scanner(hu, rng, strength)
    low, high = view.window_hu
    image = ((hu - low) / (high - low)).clamp(0, 1)
    if strength is TRAINING:
        image, structures = _cut(image, structures, rng)
    return image[None], structures


def _points(view: View, centre_mm: NDArray[np.float64], rng: np.random.Generator, strength: Strength) -> Tensor:
    """Where every voxel of the patch lies in the case: (I, J, K, 3) mm."""
    axes = [(torch.arange(size) - (size - 1) / 2) * view.spacing_mm for size in view.shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    turn = Rotation.from_euler("xyz", rng.uniform(-strength.angle, strength.angle, 3), degrees=True).as_matrix()
    scale = np.exp(rng.uniform(-strength.scale, strength.scale) + rng.uniform(-strength.scale, strength.scale, 3) / 2)
    centre = centre_mm + rng.uniform(-strength.shift_mm, strength.shift_mm, 3)
    matrix = torch.from_numpy(turn * scale).float()
    return grid @ matrix.T + torch.from_numpy(centre).float() + _bend(view, rng, strength)


def _bend(view: View, rng: np.random.Generator, strength: Strength) -> Tensor:
    nodes = [round(size * view.spacing_mm / NODE_MM) + 2 for size in view.shape]
    amplitude = strength.bend_mm * rng.uniform(0, 1)
    coarse = torch.from_numpy(rng.standard_normal((1, 3, *nodes)).astype(np.float32)) * amplitude
    # Twice linear is smooth enough and cheap: first finer nodes, averaged, then the patch's own voxels.
    finer = functional.interpolate(coarse, scale_factor=3, mode="trilinear")
    smooth = functional.avg_pool3d(finer, 3, stride=1, padding=1, count_include_pad=False)
    return functional.interpolate(smooth, size=view.shape, mode="trilinear")[0].movedim(0, -1)


def _sampled(values: Tensor, case: Case, points: Tensor) -> Tensor:
    """Linear interpolation of (channels, I, J, K) at `points`; 0 beyond the case."""
    extent = torch.tensor(case.hu.shape, dtype=torch.float32) * case.spacing_mm
    # grid_sample counts from -1 to 1 between outer corners, last axis first.
    unit = (2 * points / extent - 1).flip(-1)
    return functional.grid_sample(values[None], unit[None], mode="bilinear", align_corners=False)[0]


def _other_phase(hu: Tensor, structures: Tensor, rng: np.random.Generator) -> Tensor:
    changes = torch.zeros(len(Structure))
    for structure, (low, high) in PHASE_HU.items():
        changes[structure] = float(rng.uniform(low, high))
    changes[Structure.LEFT_LOBE] = changes[Structure.RIGHT_LOBE]
    change = functional.avg_pool3d(changes[structures][None, None], 3, stride=1, padding=1)[0, 0]
    return hu + change * float(rng.uniform(0, 1))


def _other_scanner(hu: Tensor, rng: np.random.Generator, strength: Strength) -> Tensor:
    result = hu[None, None] * float(rng.uniform(0.94, 1.06)) + float(rng.uniform(-12, 12))
    if rng.random() < 0.3:
        thick = functional.avg_pool3d(result, (1, 1, 2), ceil_mode=True)
        result = functional.interpolate(thick, size=hu.shape, mode="trilinear")
    noise = torch.from_numpy(rng.standard_normal((1, 1, *hu.shape)).astype(np.float32))
    if rng.random() < 0.5:
        noise = functional.avg_pool3d(noise, 3, stride=1, padding=1) * 3
    result = result + noise * float(rng.uniform(0, strength.noise_hu))
    if rng.random() < 0.3:
        result = functional.avg_pool3d(result, 3, stride=1, padding=1)
    return result[0, 0]


def _cut(image: Tensor, structures: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Half of the time nothing is known beyond a box, as at the edge of a region or of a scan."""
    if rng.random() < 0.5:
        return image, structures
    known = torch.zeros_like(image)
    starts = [int(rng.integers(0, max(1, size // 6))) for size in image.shape]
    ends = [size - int(rng.integers(0, max(1, size // 6))) for size in image.shape]
    known[tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))] = 1
    return image * known, structures * known.long()
