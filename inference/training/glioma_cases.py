"""Random cases to train on and to be measured with: who is scanned, how, and with what lesion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import highdicom as hd
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from inference.operators import grids, intensity
from inference.operators.values import Image
from inference.training.brain_lesions import new_patient
from inference.training.brains import Brain
from inference.training.fields import Grid
from inference.training.mr_acquisition import Acquired, Scan, acquire, stripped
from inference.training.mr_contrasts import FLAIR, Contrast, varied

SPACING = 2.0
"""The network's voxels, in mm along each axis."""
ORIENTATION = "LPH"
SMALLEST, LARGEST = 0.5, 60.0
"""Volumes of lesions, in ml; drawn evenly over their logarithm."""
HEALTHY, STRIPPED = 0.15, 0.25
"""Parts of the cases that have no lesion, and whose skull was taken away."""
FIELD_OF_VIEW = (168.0, 216.0, 184.0)
"""Height, depth (front to back) and width that a scan covers, in mm, about the middle of the brain."""
CONTRASTS: tuple[tuple[Contrast, float], ...] = ((FLAIR, 1.0),)
"""What is drawn, and how often. With T1 among them, as long a training found nothing on T1 and less on FLAIR."""


@dataclass(frozen=True)
class Case:
    """What the network sees and what it should say, both (1, I, J, K) on its own grid.

    image: standardised; lesion: its part of each voxel, 0 to 1.
    """

    image: Tensor
    lesion: Tensor


def draw(brain: Brain, random: np.random.Generator, *, in_plane: float, contrast: Contrast | None = None) -> Acquired:
    """One scan of a new patient with the anatomy of `brain`. in_plane: mm between pixels."""
    lesion_ml = 0.0 if random.random() < HEALTHY else log_uniform(random, SMALLEST, LARGEST)
    patient = new_patient(brain, random, lesion_ml=lesion_ml)
    return acquire(patient, new_scan(random, in_plane=in_plane, contrast=contrast), random, lesion_ml=lesion_ml)


def new_scan(random: np.random.Generator, *, in_plane: float, contrast: Contrast | None = None) -> Scan:
    """An axial scan of usual thickness, or one of nearly cubic voxels, of a head that lies a little askew."""
    kinds = [kind for kind, _ in CONTRASTS]
    chosen = contrast or kinds[random.choice(len(kinds), p=[often for _, often in CONTRASTS])]
    thickness = in_plane if random.random() < 0.3 else random.uniform(2.5, 6.5)
    bone = random.uniform(6, 10)
    scan = Scan(
        grid=axial_grid(in_plane=in_plane * random.uniform(0.9, 1.1), thickness=thickness),
        pose=pose(random, degrees=7, mm=5),
        contrast=varied(chosen, random),
        shading=random.uniform(0.02, 0.12),
        noise=random.uniform(0.01, 0.06),
        layers=(random.uniform(1, 3.5), bone, bone + random.uniform(2, 7), bone + 8.5),
        has_dark_background=bool(random.random() < 0.6),
    )
    return stripped(scan) if random.random() < STRIPPED else scan


def axial_grid(*, in_plane: float, thickness: float, field_of_view: tuple[float, float, float] = FIELD_OF_VIEW) -> Grid:
    """Slices towards the head, rows towards the back, columns towards the left; centred on the origin."""
    height, depth, width = field_of_view
    shape = (round(height / thickness), round(depth / in_plane), round(width / in_plane))
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = thickness, in_plane, in_plane, 1
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    return Grid(affine, shape)


def pose(random: np.random.Generator, *, degrees: float, mm: float) -> NDArray[np.float64]:
    """A rigid transform (4, 4): about each axis a turn, and along each a shift, of at most so much."""
    rigid = np.eye(4)
    rigid[:3, :3] = Rotation.from_euler("xyz", random.uniform(-degrees, degrees, 3), degrees=True).as_matrix()
    rigid[:3, 3] = random.uniform(-mm, mm, 3)
    return rigid


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    """A number between two others, evenly over the logarithm."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def as_volume(array: NDArray[np.float32] | NDArray[np.uint8], grid: Grid) -> hd.Volume:
    """An acquisition's array as the volume that `load-volume` would make of its files."""
    return hd.Volume(array, affine=grid.affine, coordinate_system="PATIENT")


def prepared(acquired: Acquired) -> Case:
    """The case on the network's grid, made by the operators that the pipeline runs before its network."""
    image = on_network_grid(as_volume(acquired.image, acquired.grid))
    lesion = on_network_grid(as_volume(acquired.lesion.astype(np.float32), acquired.grid))
    standard = intensity.normalise_z_score(image)
    return Case(torch.from_numpy(standard.array[None]), torch.from_numpy(lesion.array[None]))


def on_network_grid(volume: hd.Volume) -> Image:
    """Turned and resampled."""
    return grids.resample(cast(Image, grids.reorient(volume, orientation=ORIENTATION)), spacing=(SPACING,) * 3)
