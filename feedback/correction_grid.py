"""Segmentations on the grid of the series that they lie on, read plane by plane, one structure at a time.

Volumes come from the source's own headers, never from the segmentation's: viewers leave out the distance of the slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pydicom
from highdicom.seg import Segmentation
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import iter_pixels
from scipy import ndimage

from dicom_ingest.models import Series
from inference import orders
from inference.decoding import UNDECODABLE
from inference.errors import InferenceError
from inference.operators.components import CUBIC_MM_PER_ML
from inference.operators.stacking import Stack, stack
from inference.operators.values import SourceSeries

Bits = NDArray[np.bool_]
Vector = NDArray[np.float64]
_READ_AT_ONCE_BYTES = 4096
_ALIKE = 1e-3
"""Largest difference of a direction cosine, and relative one of a spacing, between images and what is drawn on them."""
_HALF = 0.5


class NotOnGrid(Exception):
    """Images or a segmentation that no volume can be computed from; the text says why."""


@dataclass(frozen=True)
class Source:
    """The images that segmentations lie on, in order along their normal. Lengths in mm, directions in LPS."""

    images: SourceSeries
    stack: Stack

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return len(self.stack.planes), *self.stack.planes[0].size

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), from (slice, row, column) to mm."""
        return self.stack.affine

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Between slices, rows and columns."""
        slices, rows, columns = (float(one) for one in np.linalg.norm(self.affine[:3, :3], axis=0))
        return slices, rows, columns

    @property
    def voxel_ml(self) -> float:
        """|det| of the affine's 3 x 3 part, in millilitres."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / CUBIC_MM_PER_ML

    @property
    def frame_of_reference(self) -> str:
        return self.stack.planes[0].frame_of_reference


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
        self._dataset, self._source = dataset, source
        self._frames = [_Frame.of(dataset, groups) for groups in dataset.get("PerFrameFunctionalGroupsSequence") or ()]
        self._places = [_place(frame, source) for frame in self._frames]

    @property
    def numbers(self) -> list[int]:
        """Of its segments, rising; without the background of a label map."""
        return sorted(int(one.SegmentNumber) for one in self._dataset.SegmentSequence if int(one.SegmentNumber) > 0)

    @property
    def lies_on_images(self) -> bool:
        """Whether each of its frames lies on one of the images, so that nothing has to be sampled."""
        return None not in self._places

    def mask(self, number: int) -> Bits:
        """One structure, (slices, rows, columns). Raises NotOnGrid."""
        if not self.lies_on_images:
            return self._sampled(number)
        wanted = [at for at, frame in enumerate(self._frames) if frame.segment in (number, None)]
        mask: Bits = np.zeros(self._source.shape, dtype=np.bool_)
        chosen = _chooser(self._dataset)
        try:
            for at, pixels in zip(wanted, iter_pixels(self._dataset, indices=wanted, raw=True), strict=True):
                mask[self._places[at]] |= chosen(pixels, number)
        except UNDECODABLE as fault:
            raise NotOnGrid(f"The pixels of the segmentation cannot be read ({type(fault).__name__}).") from fault
        return mask

    def _sampled(self, number: int) -> Bits:
        """From a grid of its own, the nearest voxel each. Raises NotOnGrid."""
        if str(self._dataset.get("FrameOfReferenceUID", "")) != self._source.frame_of_reference:
            raise NotOnGrid("The segmentation does not lie on the images, nor is its frame of reference theirs.")
        try:
            volume = Segmentation.from_dataset(self._dataset, copy=False).get_volume(segment_numbers=[number])
        except UNDECODABLE as fault:
            raise NotOnGrid("The frames of the segmentation lie on no image, and form no volume to sample.") from fault
        to_its_voxels = np.linalg.inv(volume.affine) @ self._source.affine
        held = (np.asarray(volume.array)[..., 0] >= _HALF).astype(np.uint8)
        found = ndimage.affine_transform(held, to_its_voxels, output_shape=self._source.shape, order=0)
        return np.asarray(found, dtype=np.bool_)


@dataclass(frozen=True)
class _Frame:
    """Where a frame lies, and of which segment it is; None where its pixels say so."""

    size: tuple[int, int]
    segment: int | None
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None

    @classmethod
    def of(cls, dataset: Dataset, own: Dataset) -> _Frame:
        shared = _first(dataset.get("SharedFunctionalGroupsSequence"))

        def found(macro: str, keyword: str) -> Any:
            return (_first(own.get(macro)) or _first(shared.get(macro))).get(keyword)

        number = found("SegmentIdentificationSequence", "ReferencedSegmentNumber")
        return cls(
            size=(int(dataset.Rows), int(dataset.Columns)),
            segment=None if number is None else int(number),
            position=_vector(found("PlanePositionSequence", "ImagePositionPatient")),
            orientation=_vector(found("PlaneOrientationSequence", "ImageOrientationPatient")),
            spacing=_vector(found("PixelMeasuresSequence", "PixelSpacing")),
        )


def _place(frame: _Frame, source: Source) -> int | None:
    """The slice that the frame lies on, as far as half a voxel may be rounded away."""
    first = source.stack.planes[0]
    if frame.position is None or frame.orientation is None or frame.spacing is None or frame.size != first.size:
        return None
    is_alike = np.abs(frame.orientation - first.orientation).max() < _ALIKE
    if not is_alike or not np.allclose(frame.spacing, first.pixel_spacing, rtol=10 * _ALIKE):
        return None
    voxel = np.linalg.solve(source.affine[:3, :3], frame.position - source.affine[:3, 3])
    at = int(np.rint(voxel[0]))
    is_near = np.abs(voxel - [at, 0, 0]).max() < _HALF
    return at if is_near and 0 <= at < source.shape[0] else None


def _chooser(dataset: Dataset) -> Callable[[NDArray[Any], int], Bits]:
    """Which pixel values belong to a segment, by the segmentation's type (PS3.3, C.8.20.2)."""
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        return lambda pixels, number: np.asarray(pixels == number)
    if kind == "FRACTIONAL":
        half = int(dataset.get("MaximumFractionalValue") or 255) * _HALF
        return lambda pixels, number: np.asarray(pixels >= half)
    return lambda pixels, number: np.asarray(pixels != 0)


def segments_of(dataset: Dataset) -> Mapping[int, Dataset]:
    """The items of its segment sequence by number; without the background of a label map."""
    return {int(one.SegmentNumber): one for one in dataset.get("SegmentSequence") or () if int(one.SegmentNumber) > 0}


def _vector(values: Iterable[float] | None) -> Vector | None:
    return np.asarray(values, dtype=np.float64) if values else None


def _first(items: Iterable[Dataset] | None) -> Dataset:
    return next(iter(items or ()), Dataset())
