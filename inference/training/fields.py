"""Smooth random fields and volumes that can be asked for their value at any point.

Points are (..., 3) float32 tensors in mm, LPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

REFINED = 3
"""Each step of a random lattice is divided by this along a cubic spline, so that no facets show."""
COARSE = 24
"""Lattices of more nodes along a side are fine enough as they are, and too many voxels to refine."""


@dataclass(frozen=True)
class Sampled:
    """Channels on a grid. values: (channels, I, J, K) float32; affine: (4, 4) from indices to mm, LPS."""

    values: Tensor
    affine: NDArray[np.float64]

    def at(self, points: Tensor) -> Tensor:
        """Linear interpolation: (..., 3) mm to (..., channels). Beyond the grid its border goes on."""
        inverse = torch.from_numpy(np.linalg.inv(self.affine)).to(points.dtype)
        indices = points @ inverse[:3, :3].T + inverse[:3, 3]
        sizes = torch.tensor(self.values.shape[1:], dtype=points.dtype)
        # grid_sample wants -1..1 from first to last voxel, last axis first.
        unit = (2 * indices / (sizes - 1) - 1).flip(-1).reshape(1, 1, 1, -1, 3)
        found = functional.grid_sample(self.values[None], unit, padding_mode="border", align_corners=True)
        return found.reshape(self.values.shape[0], -1).T.reshape(*points.shape[:-1], -1)


def noise(
    random: np.random.Generator,
    *,
    wavelength: float,
    reach: float,
    channels: int = 1,
    centre: tuple[float, ...] = (0, 0, 0),
) -> Sampled:
    """Gaussian noise, of unit variance `wavelength` mm apart and smooth between, within `reach` mm of `centre`."""
    nodes = int(np.ceil(2 * reach / wavelength)) + 1
    lattice = random.standard_normal((channels, nodes, nodes, nodes)).astype(np.float32)
    factor = REFINED if nodes <= COARSE else 1
    fine = lattice if factor == 1 else ndimage.zoom(lattice, (1, factor, factor, factor), order=3, grid_mode=False)
    step = (nodes - 1) * wavelength / (fine.shape[1] - 1)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = np.asarray(centre) - (nodes - 1) * wavelength / 2
    return Sampled(torch.from_numpy(np.ascontiguousarray(fine)), affine)


@dataclass(frozen=True)
class Grid:
    """Where an acquisition's voxels lie: slices, rows, columns. affine: (4, 4) to mm, LPS, of voxel centres."""

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000

    def points(self, *, shift: float = 0.0) -> Tensor:
        """(slices, rows, columns, 3) mm, LPS, moved by `shift` of a slice along the stack."""
        axes = [torch.arange(size, dtype=torch.float32) for size in self.shape]
        axes[0] = axes[0] + shift
        indices = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        affine = torch.from_numpy(self.affine).to(torch.float32)
        return indices @ affine[:3, :3].T + affine[:3, 3]
