"""The masks of a segmentation that was written, for comparing them with others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset

Bits = NDArray[np.bool_]


def read_masks(file: Path) -> Mapping[str, Bits]:
    """Every segment of a BINARY segmentation by its label, (slices, rows, columns).

    Slices run along the normal of the image plane, as in `load-volume`; segments that share a label are laid together.
    A plane without a frame is empty. Raises pydicom's InvalidDicomError or AttributeError for what is no segmentation.
    """
    segmentation = pydicom.dcmread(file)
    frames = _frames(segmentation)
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    groups = segmentation.PerFrameFunctionalGroupsSequence
    heights = np.round([_height(shared, group) for group in groups], 3)
    planes, plane_of_frame = np.unique(heights, return_inverse=True)
    labels = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in segmentation.SegmentSequence}
    masks = {label: np.zeros((len(planes), *frames.shape[1:]), dtype=np.bool_) for label in labels.values()}
    for group, plane, frame in zip(groups, plane_of_frame, frames, strict=True):
        masks[labels[_segment_number(shared, group)]][plane] |= frame
    return masks


def _frames(segmentation: Dataset) -> Bits:
    shape = (int(segmentation.NumberOfFrames), segmentation.Rows, segmentation.Columns)
    packed = np.frombuffer(segmentation.PixelData, dtype=np.uint8)
    return np.unpackbits(packed, count=int(np.prod(shape)), bitorder="little").view(np.bool_).reshape(shape)


def _height(shared: Dataset, group: Dataset) -> float:
    orientation = shared if "PlaneOrientationSequence" in shared else group
    cosines = np.asarray(orientation.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    position = np.asarray(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
    return float(np.cross(cosines[:3], cosines[3:]) @ position)


def _segment_number(shared: Dataset, group: Dataset) -> int:
    holder = group if "SegmentIdentificationSequence" in group else shared
    return int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
