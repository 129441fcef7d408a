"""Real brains as maps of tissue, to draw other brains from.

MNI152 2009a (nilearn's wheel) comes with maps of grey and white matter. Colin27 (Debian's mricron-data) comes with a
mask of the brain only, so its tissues are told apart by the T1 signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from inference.training.fields import Sampled

WHITE, GREY, FLUID, DISTANCE, SCALP = range(5)
"""Channels of a brain: parts of white matter, grey matter and fluid (0..1), mm outside the brain's hull, scalp's T1."""

MARGIN = 24
"""Voxels put around the source's grid, so that a head fits around the brain."""
HULL_CLOSING = 6
"""Sulci narrower than about twice this many mm lie inside the hull."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Brain:
    """One anatomy. maps: the channels above on a 1 mm grid in mm, LPS, the middle of the brain at the origin.

    The last channel is there only if `has_scalp`.
    """

    name: str
    maps: Sampled
    has_scalp: bool


def mni152(t1: Path, grey: Path, white: Path) -> Brain:
    """MNI152 from the three NIfTI files of nilearn's wheel. It is skull-stripped, so it has no scalp of its own."""
    image = _read(t1)
    grey_part, white_part = (_part(file) for file in (grey, white))
    inside = ndimage.binary_fill_holes(image.array > 0)
    fluid = np.asarray(np.clip(1 - grey_part - white_part, 0, 1) * inside, dtype=np.float32)
    return _brain("MNI152", image, (white_part, grey_part, fluid), inside, scalp=None)


def colin27(t1: Path, brain: Path) -> Brain:
    """Colin27 from the whole head's T1 and the stripped T1 (`ch2.nii.gz` and `ch2bet.nii.gz` of mricron-data)."""
    image, stripped = _read(t1), _read(brain)
    inside = ndimage.binary_fill_holes(stripped.array > 0)
    fluid_at, grey_at, white_at = _tissue_signals(image.array[inside])
    white_part = np.clip((image.array - grey_at) / (white_at - grey_at), 0, 1) * inside
    fluid = np.clip((grey_at - image.array) / (grey_at - fluid_at), 0, 1) * inside
    grey_part = np.clip(1 - white_part - fluid, 0, 1) * inside
    outside = image.array * ~inside
    return _brain("Colin27", image, (white_part, grey_part, fluid), inside, scalp=outside / np.percentile(outside, 99))


def _tissue_signals(values: Array) -> tuple[float, float, float]:
    """T1 signal of fluid, grey and white matter: by Lloyd's algorithm on the histogram, from its quantiles."""
    centres = np.quantile(values, (0.03, 0.4, 0.85))
    for _ in range(30):
        nearest = np.abs(values[:, None] - centres).argmin(axis=1)
        centres = np.array([values[nearest == kind].mean() for kind in range(3)])
    fluid, grey, white = (float(centre) for centre in centres)
    return fluid, grey, white


def _part(file: Path) -> Array:
    return np.asarray(_read(file).array / 255, dtype=np.float32)


def _read(file: Path) -> hd.Volume:
    volume = hd.Volume.from_nibabel(nibabel.load(file)).to_patient_orientation("LPH")
    return volume.with_array(volume.array.astype(np.float32))


def _brain(
    name: str, image: hd.Volume, tissues: tuple[Array, ...], inside: NDArray[np.bool_], *, scalp: Array | None
) -> Brain:
    distance = _outside_hull(np.pad(inside, MARGIN))
    channels = [*(np.pad(tissue, MARGIN) for tissue in tissues), distance]
    if scalp is not None:
        channels.append(np.pad(np.clip(scalp, 0, 1.5), MARGIN))
    values = np.stack(channels).astype(np.float32, copy=False)
    affine = image.affine.copy()
    affine[:3, 3] = -affine[:3, :3] @ np.array(ndimage.center_of_mass(distance == 0))
    return Brain(name, Sampled(torch.from_numpy(values), affine), has_scalp=scalp is not None)


def _outside_hull(inside: NDArray[np.bool_]) -> Array:
    """Distance in voxels outside the brain with its sulci closed; worked out on every second voxel, for speed."""
    coarse = inside[::2, ::2, ::2]
    near = ndimage.distance_transform_edt(~coarse) <= HULL_CLOSING / 2
    hull = (ndimage.distance_transform_edt(near) > HULL_CLOSING / 2) | coarse
    distance = 2 * ndimage.distance_transform_edt(~hull).astype(np.float32)
    fine = ndimage.zoom(distance, 2, order=1, grid_mode=False)
    widths = [(0, max(0, size - found)) for size, found in zip(inside.shape, fine.shape, strict=True)]
    return np.asarray(np.pad(fine, widths, mode="edge")[tuple(map(slice, inside.shape))])
