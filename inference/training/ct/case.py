"""One CT with its reference structures, as the training of the CT networks sees it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

AIR_HU = -1024.0
"""What lies outside the field of view."""


class Structure(IntEnum):
    """The values of a case's label map."""

    NONE = 0
    RIGHT_LOBE = 1
    LEFT_LOBE = 2
    VESSELS = 3  # the portal vein from the confluence on with its first branches, and the inferior vena cava
    SPLEEN = 4
    KIDNEYS = 5
    LUNGS = 6


@dataclass(frozen=True, eq=False)
class Case:
    """A torso. Array axes run towards left, posterior and head; voxels are `spacing_mm` wide on every axis.

    hu: (I, J, K) float32, Hounsfield units. structures: (I, J, K) uint8 of `Structure`.
    """

    name: str
    hu: NDArray[np.float32]
    structures: NDArray[np.uint8]
    spacing_mm: float

    @cached_property
    def above_air(self) -> Tensor:
        """The densities counted from air on, so that nothing is 0, as resampling fills what lies outside."""
        return torch.from_numpy(self.hu - AIR_HU)

    @cached_property
    def shares(self) -> Tensor:
        """For every structure but none, 1 where it is: (structures, I, J, K) float32, to be resampled linearly."""
        present = torch.from_numpy(self.structures)
        return torch.stack([present == one for one in Structure if one is not Structure.NONE]).float()

    def box_mm(self, *wanted: Structure) -> NDArray[np.float64]:
        """The corners of the box around `wanted`: (2, 3) in mm from the outer corner of the first voxel.

        Raises ValueError when none of them is in the case.
        """
        inside = np.isin(self.structures, wanted)
        if not inside.any():
            raise ValueError(f"{self.name} holds none of {', '.join(one.name for one in wanted)}.")
        spans = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        return np.array([[span[0] for span in spans], [span[-1] + 1 for span in spans]]) * self.spacing_mm


def kept(file: Path, make: Callable[[], Case]) -> Case:
    """The case in `file`, made and written there when it is not there yet."""
    if not file.is_file():
        made = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".npz", delete=False) as scratch:
            np.savez(scratch, name=made.name, hu=made.hu, structures=made.structures, spacing_mm=made.spacing_mm)
        Path(scratch.name).replace(file)
    with np.load(file) as found:
        return Case(str(found["name"]), found["hu"], found["structures"], float(found["spacing_mm"]))


def split_lobes(
    points_mm: NDArray[np.float64],
    *,
    cava_mm: NDArray[np.float64],
    bifurcation_mm: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which points of a liver belong to its left lobe: those to the left of a plane after Cantlie.

    Cantlie's plane runs from the fossa of the gallbladder to the inferior vena cava and halves the portal bifurcation.
    Where no gallbladder is to be seen the vena cava and the bifurcation fix it: it holds the line fitted through
    `cava_mm` (N, 3), centres of the vena cava behind the liver, and the point `bifurcation_mm` (3,).

    points_mm: (..., 3) in mm towards left, posterior, head. Returns (...) booleans, True for the left lobe.
    """
    centre = cava_mm.mean(axis=0)
    axis = np.linalg.svd(cava_mm - centre, full_matrices=False)[2][0]
    normal = np.cross(axis, bifurcation_mm - centre)
    towards_left = normal if normal[0] > 0 else -normal
    left: NDArray[np.bool_] = (points_mm - centre) @ towards_left > 0
    return left
