"""One real chest as slabs of tissue from back to front, ready to be given findings and to be projected.

Frame of all arrays here: (slab, row, column): slabs from the patient's back to the front, rows from head to foot,
columns from the patient's right to left, as a PA radiograph shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]

SLABS = 32
LEFT_LUNG, RIGHT_LUNG = (10, 11), (12, 13, 14)
"""Numbers of the lobes in the reference mask."""
BODY = 0.55
"""Least density, of water's, that belongs to a body and not to the air or the lungs."""
BONE_FROM = 250.0
"""HU from which tissue counts as bone or as contrast medium."""

CONTRAST_FROM, BLOOD = 1400.0, 60.0
"""HU above which there is nothing but undiluted contrast medium in this CT, and of blood without any."""


@dataclass(frozen=True, eq=False)
class Lung:
    """One lung. voxels: its indices (3, N); hilum: (slab, row, column); wall: mm from each voxel to the lung's edge."""

    voxels: NDArray[np.int64]
    hilum: tuple[float, float, float]
    wall: Floats

    @property
    def lowest(self) -> int:
        """The row of its deepest recess."""
        return int(self.voxels[1].max())


@dataclass(frozen=True)
class Chest:
    """density: of water's, all tissue; bone: what exceeds BONE_FROM, in thousands of HU; spacing: mm per axis."""

    density: Floats
    bone: Floats
    spacing: tuple[float, float, float]
    left: Lung
    right: Lung

    def with_density(self, density: Floats) -> Chest:
        """The same chest with other tissue in it."""
        return replace(self, density=density)


def load(image: Path, mask: Path) -> Chest:
    """Read the CT (NIfTI, HU) and its reference mask on the same grid, without the table under the patient."""
    hounsfield, spacing = _slabs(image)
    _wash_out(hounsfield)
    labels, _ = _slabs(mask)
    density: Floats = np.maximum(1 + hounsfield / np.float32(1000), 0)
    step = density.shape[0] // SLABS
    density = density[: step * SLABS]
    labels = labels[: step * SLABS]
    body = _body(density)
    bone = np.maximum(hounsfield[: step * SLABS] - np.float32(BONE_FROM), 0) / np.float32(1000) * body
    coarse = (spacing[0] * step, spacing[1], spacing[2] * 2)
    return Chest(
        density=_coarser(density * body, step),
        bone=_coarser(bone, step),
        spacing=coarse,
        left=lung_of(_coarser(np.isin(labels, LEFT_LUNG), step) > 0.5, coarse),
        right=lung_of(_coarser(np.isin(labels, RIGHT_LUNG), step) > 0.5, coarse),
    )


def lung_of(inside: NDArray[np.bool_], spacing: tuple[float, float, float]) -> Lung:
    """The lung that fills `inside` (slab, row, column); spacing: mm per axis."""
    voxels = np.stack(np.nonzero(inside))
    wall = ndimage.distance_transform_edt(inside, sampling=spacing)[tuple(voxels)]
    centre = voxels.mean(axis=1)
    towards_midline = 0.5 * (inside.shape[2] / 2 - centre[2])
    hilum = (float(centre[0]), float(centre[1]), float(centre[2] + towards_midline))
    return Lung(voxels, hilum, wall.astype(np.float32))


def _slabs(file: Path) -> tuple[Floats, tuple[float, float, float]]:
    image = nibabel.load(file)
    turned = nibabel.as_closest_canonical(image)  # towards right, front and head
    array = np.asarray(turned.dataobj, dtype=np.float32)[::-1, :, ::-1]
    across, back, down = (float(size) for size in turned.header.get_zooms()[:3])
    return np.ascontiguousarray(array.transpose(1, 2, 0)), (back, down, across)


def _wash_out(hounsfield: Floats) -> None:
    """Turn the veins that are full of contrast medium, denser than bone, into blood: radiographs are taken without."""
    coarse = hounsfield[::2, :, ::2]
    medium = ndimage.binary_dilation(coarse > CONTRAST_FROM, iterations=7, mask=coarse > BLOOD + 90)
    everywhere = medium.repeat(2, axis=0).repeat(2, axis=2)
    hounsfield[everywhere[: hounsfield.shape[0], :, : hounsfield.shape[2]]] = BLOOD


def _body(density: Floats) -> NDArray[np.bool_]:
    """The largest piece of tissue, with what it encloses in each slice across the body."""
    solid = ndimage.binary_opening(density[::4, :, ::4] > BODY, iterations=1)
    labels, _ = ndimage.label(solid)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = labels == sizes.argmax()
    for row in range(body.shape[1]):
        body[:, row] = ndimage.binary_fill_holes(ndimage.binary_dilation(body[:, row]))
    fine = body.repeat(4, axis=0).repeat(4, axis=2)
    return np.asarray(fine[: density.shape[0], :, : density.shape[2]])


def _coarser(array: NDArray[np.generic], step: int) -> Floats:
    slabs, rows, columns = array.shape
    blocks = array.reshape(slabs // step, step, rows, columns // 2, 2)
    return np.ascontiguousarray(blocks.mean(axis=(1, 4), dtype=np.float32))
