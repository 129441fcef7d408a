"""What findings draw, brought onto the grid of the series that they are shown on: one mask a structure.

Frames that lie on an image are taken as they are. Others are sampled at the images' pixels, the nearest voxel each,
where frames of reference agree. A structure set's contours are filled: a pixel whose centre lies inside is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from highdicom.seg import Segmentation
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import iter_pixels
from skimage.draw import polygon2mask

from inference.segmentation_frames import HALF, Frame, frames_of, holds, segments_of
from studies.blinding.codes import Concept, concept_of, own_words
from studies.blinding.errors import Unshowable
from studies.blinding.grids import Grid

Pixels = NDArray[np.bool_]
NO_CODE = Concept("", "")


@dataclass(frozen=True)
class Drawn:
    """One structure as one finding draws it. bits: the pixels of all planes, in the grid's order, eight to a byte.

    words: what its maker calls it.
    """

    structure: Concept
    words: str
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, code: Dataset | None, mask: Pixels) -> Drawn:
        return cls(concept_of(code) or NO_CODE, own_words(code), _packed(mask))


def of_segmentation(path: Path, grid: Grid) -> list[Drawn]:
    """Every segment of a SEG, in order of their numbers. Raises Unshowable."""
    header = dcmread(path, stop_before_pixels=True)
    frames = _Frames(path, header)
    return [
        Drawn.of(_first(segment, "SegmentedPropertyTypeCodeSequence"), frames.mask(number, grid))
        for number, segment in segments_of(header).items()
    ]


def of_structure_set(path: Path, grid: Grid) -> list[Drawn]:
    """Every region of interest of an RTSTRUCT, in order of their numbers. Raises Unshowable."""
    dataset = dcmread(path)
    codes = {
        int(one.ReferencedROINumber): _first(one, "RTROIIdentificationCodeSequence")
        for one in dataset.get("RTROIObservationsSequence") or []
    }
    contoured = {int(one.ReferencedROINumber): one for one in dataset.get("ROIContourSequence") or []}
    return [
        Drawn.of(codes.get(number), _filled(contoured.get(number), grid))
        for number in sorted(int(one.ROINumber) for one in dataset.get("StructureSetROISequence") or [])
    ]


class _Frames:
    """The frames of one SEG."""

    def __init__(self, path: Path, header: Dataset) -> None:
        self._path, self._header = path, header
        self._frames = list(frames_of(header))
        self._drawn = holds(header)

    def mask(self, segment: int, grid: Grid) -> Pixels:
        """(planes, rows, columns) of the grid. Raises Unshowable."""
        wanted = [frame for frame in self._frames if frame.segment in (segment, None)]
        places = [_place(frame, grid) for frame in wanted]
        if None in places:
            return self._sampled(segment, grid)
        mask = np.zeros((len(grid.planes), *grid.size), dtype=np.bool_)
        indices = [frame.index for frame in wanted]
        for place, pixels in zip(places, self._pixels(indices), strict=True):
            mask[place] |= self._drawn(pixels, segment)
        return mask

    def _pixels(self, indices: list[int]) -> Iterator[NDArray[Any]]:
        try:
            yield from iter_pixels(self._path, indices=indices, raw=True) if indices else ()
        except Exception as fault:
            raise Unshowable(f"its pixels cannot be read ({type(fault).__name__}: {fault})") from fault

    def _sampled(self, segment: int, grid: Grid) -> Pixels:
        """From a grid of its own. Raises Unshowable."""
        own = str(self._header.get("FrameOfReferenceUID", ""))
        if not own or own != grid.frame_of_reference:
            raise Unshowable("it does not lie on the images, and its frame of reference is not theirs")
        try:
            volume = Segmentation.from_dataset(dcmread(self._path), copy=False).get_volume(segment_numbers=[segment])
        except Exception as fault:
            raise Unshowable(
                f"it does not lie on the images, and its frames form no volume to be sampled ({fault})"
            ) from fault
        return _sampled(np.asarray(volume.array)[..., 0] >= HALF, np.asarray(volume.affine), grid)


def _place(frame: Frame, grid: Grid) -> int | None:
    """The number of the plane that the frame lies on; of several at one place, the one that it was made from."""
    named = [at for at, plane in enumerate(grid.planes) if plane.sop in frame.sources]
    if frame.position is None:  # of a projection: only the reference says which
        return named[0] if len(named) == 1 and grid.size == frame.size else None
    # Before all others are looked at: of a CT they are hundreds, for each of hundreds of frames.
    on_named = next((at for at in named if grid.planes[at].coincides(frame)), None)
    if on_named is not None:
        return on_named
    return next((at for at, plane in enumerate(grid.planes) if plane.coincides(frame)), None)


def _sampled(drawn: Pixels, affine: NDArray[np.float64], grid: Grid) -> Pixels:
    """The nearest voxel at each pixel of the grid. affine: (4, 4), from (slice, row, column) of `drawn` to mm, LPS."""
    inverse = np.linalg.inv(affine)
    rows, columns = np.indices(grid.size, dtype=np.float64)
    mask = np.zeros((len(grid.planes), *grid.size), dtype=np.bool_)
    for at, plane in enumerate(grid.planes):
        if plane.position is None or plane.orientation is None or plane.spacing is None:
            raise Unshowable("the images have no place in space")
        corner = inverse[:3, :3] @ plane.position + inverse[:3, 3]
        steps = inverse[:3, :3] @ plane.steps
        voxels = [np.rint(corner[axis] + rows * steps[axis, 0] + columns * steps[axis, 1]) for axis in range(3)]
        inside = np.logical_and.reduce(
            [(voxel >= 0) & (voxel < extent) for voxel, extent in zip(voxels, drawn.shape, strict=True)]
        )
        mask[at][inside] = drawn[tuple(voxel[inside].astype(np.intp) for voxel in voxels)]
    return mask


def _filled(contoured: Dataset | None, grid: Grid) -> Pixels:
    """Contours of one plane cancel where they overlap, so that one inside another is a hole. Raises Unshowable."""
    mask = np.zeros((len(grid.planes), *grid.size), dtype=np.bool_)
    for contour in (contoured.get("ContourSequence") if contoured else None) or []:
        if contour.get("ContourGeometricType") not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
            continue
        points = np.asarray(contour.ContourData, dtype=np.float64).reshape(-1, 3)
        at, ring = _on_plane(points, grid)
        mask[at] ^= polygon2mask(grid.size, ring)
    return mask


def _on_plane(points: NDArray[np.float64], grid: Grid) -> tuple[int, NDArray[np.float64]]:
    """The plane that a contour lies in, and the contour in its rows and columns. Raises Unshowable."""
    for at, plane in enumerate(grid.planes):
        if plane.position is None or plane.orientation is None or plane.spacing is None:
            break
        offsets = points - plane.position
        normal = np.cross(plane.orientation[:3], plane.orientation[3:])
        if np.abs(offsets @ normal).max() < float(np.min(plane.spacing)) / 2:
            return at, offsets @ plane.steps / np.square(plane.spacing)
    raise Unshowable("one of its contours lies in none of the images")


def _packed(mask: Pixels) -> NDArray[np.uint8]:
    """Eight pixels to a byte, the first in the lowest bit (PS3.5, 8.2)."""
    return np.packbits(mask.reshape(-1), bitorder="little")


def _first(dataset: Dataset, keyword: str) -> Dataset | None:
    items: Iterable[Dataset] = dataset.get(keyword) or ()
    return next(iter(items), None)
