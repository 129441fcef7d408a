"""The frames of a DICOM Segmentation (PS3.3, A.51): where each lies, of which segment it is, what its pixels say.

Reading only: laying frames on the grid of a series, and what to say where they do not fit, is their reader's.
Positions are in mm, directions in the patient's coordinate system (LPS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID, SegmentationStorage

Bits = NDArray[np.bool_]
Vector = NDArray[np.float64]
LABEL_MAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Label Map Segmentation Storage, for which pydicom 3.0 has no name."""
CLASSES = (SegmentationStorage, LABEL_MAP_STORAGE)
HALF = 0.5


@dataclass(frozen=True)
class Frame:
    """One frame. segment: None where its pixels say which; position, orientation and spacing: None where not given.

    size: rows and columns. sources: the SOP Instance UIDs of the images that it was made from.
    """

    index: int
    segment: int | None
    size: tuple[int, int]
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    sources: frozenset[str]


def segments_of(dataset: Dataset) -> Mapping[int, Dataset]:
    """The items of its segment sequence by rising number; without the background of a label map."""
    numbered = ((int(one.SegmentNumber), one) for one in dataset.get("SegmentSequence") or ())
    return {number: one for number, one in sorted(numbered, key=lambda pair: pair[0]) if number > 0}


def frames_of(dataset: Dataset) -> Iterator[Frame]:
    """Every frame in its order: what it does not say for itself, all frames share."""
    shared = _first(dataset.get("SharedFunctionalGroupsSequence"))
    for index, own in enumerate(dataset.get("PerFrameFunctionalGroupsSequence") or ()):
        number = _said(own, shared, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
        yield Frame(
            index=index,
            segment=None if number is None else int(number),
            size=(int(dataset.Rows), int(dataset.Columns)),
            position=_vector(_said(own, shared, "PlanePositionSequence", "ImagePositionPatient")),
            orientation=_vector(_said(own, shared, "PlaneOrientationSequence", "ImageOrientationPatient")),
            spacing=_vector(_said(own, shared, "PixelMeasuresSequence", "PixelSpacing")),
            sources=_sources(own, shared),
        )


def holds(dataset: Dataset) -> Callable[[NDArray[Any], int], Bits]:
    """Which pixel values belong to a segment, by the segmentation's type (PS3.3, C.8.20.2)."""
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        return lambda pixels, segment: np.asarray(pixels == segment)
    if kind == "FRACTIONAL":
        half = int(dataset.get("MaximumFractionalValue") or 255) * HALF
        return lambda pixels, segment: np.asarray(pixels >= half)
    return lambda pixels, segment: np.asarray(pixels != 0)


def _said(own: Dataset, shared: Dataset, macro: str, keyword: str) -> Any:
    return (_first(own.get(macro)) or _first(shared.get(macro))).get(keyword)


def _sources(own: Dataset, shared: Dataset) -> frozenset[str]:
    derivations = own.get("DerivationImageSequence") or shared.get("DerivationImageSequence") or ()
    images = (image for one in derivations for image in one.get("SourceImageSequence") or ())
    return frozenset(str(image.get("ReferencedSOPInstanceUID", "")) for image in images)


def _vector(values: Any) -> Vector | None:
    return None if values in (None, "") else np.asarray(values, dtype=np.float64)


def _first(items: Iterable[Dataset] | None) -> Dataset:
    return next(iter(items or ()), Dataset())
