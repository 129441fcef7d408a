"""Real brains as MR series, and the real model that segments them; fetched once, kept between runs of the tests."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from inference import artifacts, pipeline
from portal.demo import assets
from tests.inference.series import AXIAL, SAGITTAL, mr_series

CACHE = Path(os.environ.get("OVERREAD_TEST_CACHE", Path(__file__).parents[2] / ".cache" / "overread-tests"))


@cache
def models_dir(of: str = "brain-extraction") -> Path:
    """A store with the models that the pipeline `of` pins."""
    folder = CACHE / "models"
    for pin in pipeline.load_named(of).models.values():
        artifacts.fetch(artifacts.shipped_manifest(pin.name, pin.version), folder)
    return folder


@lru_cache(maxsize=1)
def mni152() -> NDArray[np.uint16]:
    """The MNI152 T1 at 2 mm, axes towards right, front and head."""
    return _canonical(_volumes().mni152)[::2, ::2, ::2]


def colin27() -> NDArray[np.uint16]:
    """The Colin27 T1 at 1 mm, axes towards right, front and head; skips where Debian's packages cannot be had."""
    file = _volumes().colin27
    if file is None:
        pytest.skip("Colin27 comes from Debian's mricron-data, which cannot be fetched here.")
    return _canonical(file)


def axial_series(brain: NDArray[np.uint16], *, voxel: float) -> list[Dataset]:
    """Slices from foot to head, rows from front to back, columns from right to left."""
    pixels = brain[::-1, ::-1, :].transpose(2, 1, 0)
    return mr_series(pixels, orientation=AXIAL, spacing=(voxel,) * 3, origin=(-90.0, -91.0, -71.0))


def sagittal_series(brain: NDArray[np.uint16], *, voxel: float) -> list[Dataset]:
    """Slices from left to right, rows from head to foot, columns from front to back."""
    pixels = brain[:, ::-1, ::-1].transpose(0, 2, 1)
    return mr_series(
        pixels, orientation=SAGITTAL, spacing=(voxel,) * 3, origin=(90.0, -91.0, 109.0), description="SAG T1"
    )


@lru_cache(maxsize=1)
def _volumes() -> assets.Assets:
    return assets.fetch(CACHE / "volumes", lambda _label, _done, _total: None)


def _canonical(file: Path) -> NDArray[np.uint16]:
    image = nibabel.as_closest_canonical(nibabel.load(file))
    return np.asarray(image.dataobj).astype(np.uint16)
