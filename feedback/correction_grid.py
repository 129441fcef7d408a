"""Segmentations on the grid of the series that they lie on, read plane by plane, one structure at a time.

Volumes come from the source's own headers, never from the segmentation's: viewers leave out the distance of the slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pydicom
from highdicom.seg import Segmentation
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import iter_pixels
from scipy import ndimage

from dicom_ingest.models import Series
from inference import orders
from inference.decoding import UNDECODABLE
from inference.errors import InferenceError
from inference.operators.stacking import Stack, stack
from inference.operators.values import SourceSeries
from inference.segmentation_frames import HALF, Bits, Frame, frames_of, holds, segments_of

_READ_AT_ONCE_BYTES = 4096
_ALIKE = 1e-3
"""Largest difference of a direction cosine, and relative one of a spacing, between images and what is drawn on them."""


class NotOnGrid(Exception):
    """Images or a segmentation that no volume can be computed from; the text says why."""


@dataclass(frozen=True)
class Source:
    """The images that segmentations lie on, in order along their normal. Lengths in mm, directions in LPS."""

    images: SourceSeries
    stack: Stack


def source_of(series: Series) -> Source:
    """The images of a stored series. Raises NotOnGrid when they cannot be read or form no grid."""
    try:
        files = orders.files_of([series])
        images = SourceSeries(tuple(pydicom.dcmread(file, defer_size=_READ_AT_ONCE_BYTES) for file in files))
        if not files:
            raise NotOnGrid("The images that it is drawn on are gone from the store.")
        return Source(images, stack(images))
    except (OSError, InvalidDicomError, InferenceError) as fault:
        raise NotOnGrid(f"The images that it is drawn on form no volume: {fault}") from fault


class Drawn:
    """The structures of one segmentation, to be laid on the grid of its source."""

    def __init__(self, dataset: Dataset, source: Source) -> None:
        self._dataset, self._grid = dataset, source.stack
        self._frames = list(frames_of(dataset))
        self._places = [_place(frame, self._grid) for frame in self._frames]

    @property
    def numbers(self) -> list[int]:
        """Of its segments, rising; without the background of a label map."""
        return list(segments_of(self._dataset))

    @property
    def lies_on_images(self) -> bool:
        """Whether each of its frames lies on one of the images, so that nothing has to be sampled."""
        return None not in self._places

    def mask(self, number: int) -> Bits:
        """One structure, (slices, rows, columns). Raises NotOnGrid."""
        if not self.lies_on_images:
            return self._sampled(number)
        wanted = [at for at, frame in enumerate(self._frames) if frame.segment in (number, None)]
        mask: Bits = np.zeros(self._grid.shape, dtype=np.bool_)
        chosen = holds(self._dataset)
        try:
            for at, pixels in zip(wanted, iter_pixels(self._dataset, indices=wanted, raw=True), strict=True):
                mask[self._places[at]] |= chosen(pixels, number)
        except UNDECODABLE as fault:
            raise NotOnGrid(f"The pixels of the segmentation cannot be read ({type(fault).__name__}).") from fault
        return mask

    def _sampled(self, number: int) -> Bits:
        """From a grid of its own, the nearest voxel each. Raises NotOnGrid."""
        if str(self._dataset.get("FrameOfReferenceUID", "")) != self._grid.frame_of_reference:
            raise NotOnGrid("The segmentation does not lie on the images, nor is its frame of reference theirs.")
        try:
            volume = Segmentation.from_dataset(self._dataset, copy=False).get_volume(segment_numbers=[number])
        except UNDECODABLE as fault:
            raise NotOnGrid("The frames of the segmentation lie on no image, and form no volume to sample.") from fault
        to_its_voxels = np.linalg.inv(volume.affine) @ self._grid.affine
        held = (np.asarray(volume.array)[..., 0] >= HALF).astype(np.uint8)
        found = ndimage.affine_transform(held, to_its_voxels, output_shape=self._grid.shape, order=0)
        return np.asarray(found, dtype=np.bool_)


def _place(frame: Frame, grid: Stack) -> int | None:
    """The slice that the frame lies on, as far as half a voxel may be rounded away."""
    first = grid.planes[0]
    if frame.position is None or frame.orientation is None or frame.spacing is None or frame.size != first.size:
        return None
    is_alike = np.abs(frame.orientation - first.orientation).max() < _ALIKE
    if not is_alike or not np.allclose(frame.spacing, first.pixel_spacing, rtol=10 * _ALIKE):
        return None
    voxel = np.linalg.solve(grid.affine[:3, :3], frame.position - grid.affine[:3, 3])
    at = int(np.rint(voxel[0]))
    is_near = np.abs(voxel - [at, 0, 0]).max() < HALF
    return at if is_near and 0 <= at < grid.shape[0] else None
