"""A NIfTI label map on the grid of a series, whatever the order and direction of its axes.

NIfTI's coordinates are RAS, DICOM's LPS; all lengths are in mm here. Nothing is resampled: a file whose voxels are not
those of the series is refused, since a mask that was moved by half a voxel is another mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from inference.writers.nifti import LPS_TO_RAS
from studies.annotation.errors import NotAMask

TOLERANCE = 0.25
"""How far a voxel may lie from the series' own, in voxels, at any corner: what rounded headers may do, and no more."""
_UNIT_IN_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_HIGHEST = 65535


class OnGrid(Protocol):
    """A series as a grid: see `sources.Source`."""

    @property
    def affine(self) -> NDArray[np.float64]: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def said(self) -> str: ...


@dataclass(frozen=True)
class LabelMap:
    """A NIfTI file that was opened. affine: (4, 4), from its own axes to mm, LPS."""

    image: Nifti1Image
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]


def opened(path: Path) -> LabelMap:
    """The file at `path`, whose name ends as NIfTI's does; its voxels are not read yet. Raises NotAMask."""
    try:
        image = nibabel.load(path)
    except (ImageFileError, OSError, ValueError, EOFError) as fault:
        raise NotAMask(f"The file does not read as NIfTI ({fault}). Export it again, as .nii or .nii.gz.") from fault
    if not isinstance(image, Nifti1Image):
        raise NotAMask("The file is no NIfTI-1 or NIfTI-2 file. Export it as .nii or .nii.gz.")
    return of_image(image)


def of_image(image: Nifti1Image) -> LabelMap:
    """The image with its place. Raises NotAMask where it has none, or is no volume."""
    return LabelMap(image=image, shape=_shape(image), affine=_affine(image))


def fits(found: LabelMap, on: OnGrid) -> bool:
    """Whether the file's voxels are those of the series, in any order of axes."""
    return _turned(found, on) is not None


def labels(found: LabelMap, on: OnGrid) -> NDArray[np.uint16]:
    """(planes, rows, columns) of the series' grid: the label of each voxel, 0 for none. Raises NotAMask."""
    turned = _turned(found, on)
    if turned is None:
        raise NotAMask(_other_grid(found, [on]))
    order, flips = turned
    voxels = np.transpose(_whole_numbers(found), order)
    return np.ascontiguousarray(np.flip(voxels, axis=tuple(axis for axis, is_turned in enumerate(flips) if is_turned)))


def refuse_grid(found: LabelMap, expected: Iterable[OnGrid]) -> NotAMask:
    """That the file lies on none of the grids, and where they are."""
    return NotAMask(_other_grid(found, expected))


def _shape(image: Nifti1Image) -> tuple[int, int, int]:
    shape = tuple(int(one) for one in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise NotAMask(
            f"The file has {len(shape)} axes ({' x '.join(map(str, shape))}); a label map has three. Export one map, "
            "with a label for each structure."
        )
    return (shape[0], shape[1], shape[2])


def _affine(image: Nifti1Image) -> NDArray[np.float64]:
    if not int(image.header["sform_code"]) and not int(image.header["qform_code"]):
        raise NotAMask(
            "The file does not say where it lies: neither its qform nor its sform is set. Export it from the images "
            "themselves, so that it keeps their place."
        )
    unit = str(image.header.get_xyzt_units()[0])
    affine = np.asarray(LPS_TO_RAS @ image.affine, dtype=np.float64)
    affine[:3] *= _UNIT_IN_MM.get(unit, 1.0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise NotAMask("The file's affine is no grid in space. Export it from the images themselves.")
    return affine


def _turned(found: LabelMap, on: OnGrid) -> tuple[tuple[int, ...], tuple[bool, ...]] | None:
    """Which of the file's axes is each of the grid's, and whether it runs against it; None where it is another grid."""
    between = np.linalg.inv(on.affine) @ found.affine
    order = tuple(int(axis) for axis in np.argmax(np.abs(between[:3, :3]), axis=1))
    if sorted(order) != [0, 1, 2] or tuple(found.shape[axis] for axis in order) != on.shape:
        return None
    flips = tuple(bool(between[axis, own] < 0) for axis, own in enumerate(order))
    for corner in product(*((0, extent - 1) for extent in found.shape)):
        lies = (between @ np.array([*corner, 1.0]))[:3]
        should = [
            extent - 1 - corner[own] if is_turned else corner[own]
            for own, is_turned, extent in zip(order, flips, on.shape, strict=True)
        ]
        if np.abs(lies - should).max() > TOLERANCE:
            return None
    return order, flips


def _whole_numbers(found: LabelMap) -> NDArray[np.uint16]:
    try:
        values: NDArray[Any] = np.asarray(found.image.dataobj).reshape(found.shape)
    except (OSError, ValueError, EOFError) as fault:
        raise NotAMask(f"The file's voxels cannot be read ({fault}). It may be cut off: send it again.") from fault
    if values.dtype.kind not in "iufb":
        raise NotAMask("The file holds colours, not labels. Export a label map: a whole number for each structure.")
    whole = np.rint(values) if values.dtype.kind == "f" else values
    if not np.isfinite(values).all() or (whole != values).any():
        raise NotAMask(
            "The file holds fractions, such as probabilities. Export a label map: a whole number for each structure."
        )
    if whole.min() < 0 or whole.max() > _HIGHEST:
        raise NotAMask(f"Labels are whole numbers from 0 to {_HIGHEST}; the file has others. Export a label map.")
    return whole.astype(np.uint16)


def _other_grid(found: LabelMap, expected: Iterable[OnGrid]) -> str:
    spacing = np.linalg.norm(found.affine[:3, :3], axis=0)
    has = " x ".join(map(str, found.shape))
    sizes = " x ".join(f"{one:.3g}" for one in spacing)
    corner = ", ".join(f"{one:.1f}" for one in found.affine[:3, 3])
    wanted = "; ".join(f"{one.said}, from {_corner(one)}" for one in expected)
    return (
        f"The file is another grid than the images: {has} voxels of {sizes} mm, from ({corner}) mm. Expected was "
        f"{wanted or 'a series that forms a volume, and the exam has none'} (LPS; axes in any order and direction). "
        "Draw on the exam's own images, without resampling, and send the file again."
    )


def _corner(on: OnGrid) -> str:
    return f"({', '.join(f'{one:.1f}' for one in on.affine[:3, 3])}) mm"
