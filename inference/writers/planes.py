"""Which image, or which frame of one, each plane of a run's masks lies on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from inference.operators.stacking import stack
from inference.operators.values import Mask, SourceSeries


@dataclass(frozen=True)
class Plane:
    """One plane of the source. frame: from 1, None where the image has only one."""

    instance: Dataset
    frame: int | None

    @property
    def reference(self) -> Dataset:
        """An item for a sequence of referenced images."""
        item = Dataset()
        item.ReferencedSOPClassUID = self.instance.SOPClassUID
        item.ReferencedSOPInstanceUID = self.instance.SOPInstanceUID
        if self.frame is not None:
            item.ReferencedFrameNumber = self.frame
        return item


def planes_of(series: SourceSeries, mask: Mask) -> list[Plane]:
    """The plane of `series` under each slice of `mask`, which lies on the grid that `load-volume` made."""
    if not series.is_multi_frame:
        return [Plane(instance, None) for instance in stack(series).slices]
    (instance,) = series.instances
    frames = np.array([_position(group, instance) for group in instance.PerFrameFunctionalGroupsSequence])
    nearest = np.linalg.norm(_corners(mask)[:, None] - frames[None], axis=2).argmin(axis=1)
    return [Plane(instance, int(frame) + 1) for frame in nearest]


def _corners(mask: Mask) -> NDArray[np.float64]:
    """Where the first voxel of each slice lies, in mm, LPS."""
    slices = np.arange(mask.shape[0])[:, None]
    return np.asarray(mask.affine[:3, 3] + slices * mask.affine[:3, 0], dtype=np.float64)


def _position(group: Dataset, instance: Dataset) -> list[float]:
    shared = instance.SharedFunctionalGroupsSequence[0]
    holder = group if "PlanePositionSequence" in group else shared
    return [float(value) for value in holder.PlanePositionSequence[0].ImagePositionPatient]
