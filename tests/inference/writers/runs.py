"""Finished runs to be written, without any operator having run."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from inference.graph import Outputs
from inference.identity import Identity
from inference.operators.loading import load_volume
from inference.operators.values import Box, Mask, SourceSeries
from inference.outputs import ClassifiedValue, MeasuredValue
from inference.products import FinishedRun
from inference.schema import Pipeline
from tests.inference.series import mr_series, numbered_voxels, source

IDENTITY = Identity(salt="salt of a test", run="job 1")


def blob(series: SourceSeries, *, at: int = 0) -> Mask:
    """A lopsided box on the grid of the series, empty in its first and last slices."""
    volume = load_volume(series)
    array: NDArray[np.uint8] = np.zeros(volume.shape, dtype=np.uint8)
    array[1:4, 1 + at : 3 + at, 2:6] = 1
    return Mask(volume.with_array(array))


def multi_frame_series() -> list[Dataset]:
    """An enhanced image of all slices in one file."""
    return [
        hd.legacy.LegacyConvertedEnhancedMRImage(
            legacy_datasets=mr_series(numbered_voxels()),
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
        )
    ]


def finished(
    instances: Sequence[Dataset],
    pipeline: Pipeline,
    *,
    segments: Sequence[Mask] = (),
    measurements: Sequence[MeasuredValue] = (),
    boxes: Sequence[Box] = (),
    classifications: Sequence[ClassifiedValue] = (),
    notes: Sequence[str] = (),
    identity: Identity = IDENTITY,
) -> FinishedRun:
    outputs = Outputs(
        segments=tuple(segments),
        measurements=tuple(measurements),
        boxes=tuple(boxes),
        classifications=tuple(classifications),
        is_urgent=False,
        notes=tuple(notes),
        timings=(),
    )
    return FinishedRun(pipeline, source(instances), outputs, identity)


def verdict(file: Path) -> str:
    """All that dciodvfy says of the object: which IOD it is, errors, warnings."""
    said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
    return said.stderr + said.stdout
