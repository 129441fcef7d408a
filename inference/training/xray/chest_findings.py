"""Findings put into a real chest before it is projected: collapsed lung, fluid, masses."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from scipy import ndimage

from inference.training.xray.chest_ct import Chest, Floats, Lung

WATER, PLEURA = 1.03, 0.9


class ChestFinding(StrEnum):
    """What there is to say of a chest."""

    NORMAL = "normal"
    PNEUMOTHORAX = "pneumothorax"
    EFFUSION = "pleural effusion"
    MASS = "mass"


def with_finding(chest: Chest, finding: ChestFinding, rng: np.random.Generator) -> Chest:
    """The chest with `finding` on a random side, in a random size, in lungs of a random density."""
    density = chest.density.copy()
    breath = rng.uniform(0.75, 1.6)
    for each in (chest.left, chest.right):
        now = density[tuple(each.voxels)]
        density[tuple(each.voxels)] = np.where(now < 0.5, breath, 1) * now
    lung = chest.left if rng.random() < 0.5 else chest.right
    if finding is ChestFinding.PNEUMOTHORAX:
        _collapse(density, lung, chest.spacing, rng)
    if finding is ChestFinding.EFFUSION:
        _fill(density, lung, chest.spacing, rng)
        if rng.random() < 0.3:
            _fill(density, chest.right if lung is chest.left else chest.left, chest.spacing, rng)
    if finding is ChestFinding.MASS:
        for _ in range(int(rng.integers(1, 3))):
            _grow(density, lung, chest.spacing, rng)
            lung = chest.left if rng.random() < 0.5 else chest.right
    return chest.with_density(density)


def _collapse(density: Floats, lung: Lung, spacing: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Shrink the lung towards its hilum; what it leaves is air, and its surface a line of pleura."""
    left_over = rng.uniform(0.45, 0.86)
    shrink = np.array([left_over ** rng.uniform(0.3, 0.8), left_over, left_over])[:, None]
    centre = np.array(lung.hilum)[:, None] + np.array([0.0, rng.uniform(0, 35) / spacing[1], 0.0])[:, None]
    origin = centre + (lung.voxels - centre) / shrink
    depth = np.zeros(density.shape, dtype=np.float32)
    depth[tuple(lung.voxels)] = lung.wall
    inside = ndimage.map_coordinates(depth, origin, order=1, mode="constant")
    squeezed = ndimage.map_coordinates(density, origin, order=1, mode="nearest")
    kept = np.clip(inside / 1.5, 0, 1)
    thicker = min(1 / float(np.prod(shrink)), 2.2)
    tissue = np.where(squeezed < 0.5, thicker, 1) * squeezed
    line = np.exp(-(((inside - 1.5) / 1.5) ** 2)) * (inside > 0) * PLEURA * rng.uniform(0.3, 0.8)
    density[tuple(lung.voxels)] = kept * np.maximum(tissue, line)


def _fill(density: Floats, lung: Lung, spacing: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Let fluid stand in the lung's lower part, higher along the wall than in the middle."""
    rows = lung.voxels[1]
    level = lung.lowest - rng.uniform(60, 170) / spacing[1]
    climbs = rng.uniform(15, 60) / spacing[1] * np.exp(-lung.wall / rng.uniform(6, 16))
    covered = 1 / (1 + np.exp(-np.clip(rows - (level - climbs), -30, 30)))
    now = density[tuple(lung.voxels)]
    density[tuple(lung.voxels)] = now + covered * np.maximum(WATER - now, 0)


def _grow(density: Floats, lung: Lung, spacing: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Set one round lesion of 30 to 64 mm into the lung, where neither heart nor diaphragm hides it."""
    radius = rng.uniform(15, 32)
    outwards = np.sign(lung.voxels[2].mean() - density.shape[2] / 2)
    lateral = outwards * (lung.voxels[2] - lung.hilum[2]) > 0
    places = np.nonzero(lateral & (lung.wall > 6) & (lung.voxels[1] < lung.lowest - 90 / spacing[1]))[0]
    at = lung.voxels[:, places[int(rng.integers(len(places)))]]
    away = np.sqrt(sum(((lung.voxels[axis] - at[axis]) * spacing[axis]) ** 2 for axis in range(3)))
    bumps = rng.uniform(0, 0.2) * np.sin(rng.uniform(2, 5) * np.arctan2(*(lung.voxels[1:] - at[1:, None])))
    covered = 1 / (1 + np.exp(np.clip((away - radius * (1 + bumps)) / 1.2, -30, 30)))
    now = density[tuple(lung.voxels)]
    density[tuple(lung.voxels)] = now + covered * np.maximum(WATER - now, 0)
