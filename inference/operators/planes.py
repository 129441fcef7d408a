"""The planes of a series, each where its header puts it, from single-frame and multi-frame images alike.

Lengths are in mm, directions in the patient's coordinate system (LPS).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from inference.errors import MissingGeometry, NotAVolume, UnreadableImage
from inference.operators.values import SourceSeries

Vector = NDArray[np.float64]

PLACING = {
    "Rows": None,
    "Columns": None,
    "PixelSpacing": "PixelMeasuresSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "FrameOfReferenceUID": None,
}
"""What places a plane in space, and the functional group (PS3.3 C.7.6.16.2) that holds it in a multi-frame image."""


@dataclass(frozen=True)
class Plane:
    """One plane of pixels.

    word, number: how people speak of it; frame: which one of a multi-frame `instance`, from 0; size: rows, columns;
    pixel_spacing: between rows and between columns; slope, intercept: from stored to real values, None where the image
    gives none.
    """

    instance: Dataset
    frame: int | None
    number: int
    size: tuple[int, int]
    pixel_spacing: Vector
    position: Vector
    orientation: Vector
    frame_of_reference: str
    slope: float | None
    intercept: float | None

    @property
    def word(self) -> str:
        return "slice" if self.frame is None else "frame"

    @property
    def name(self) -> str:
        return f"{self.word} {self.number}"

    @property
    def normal(self) -> Vector:
        """Unit vector across the plane."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def planes_of(series: SourceSeries) -> tuple[Plane, ...]:
    """Every plane of the series, in the order of its files or frames.

    Raises UnreadableImage or MissingGeometry, or NotAVolume when the frames of an image form several stacks; the
    message names the series, the plane and what to do.
    """
    if not series.is_multi_frame:
        return tuple(_single(instance, series.label) for instance in series.instances)
    instance = series.instances[0]
    _check_pixels(instance, series.label, "the multi-frame image")
    _check_one_stack(instance, series.label)
    return tuple(_frames(instance, series.label))


def _single(instance: Dataset, label: str) -> Plane:
    _check_pixels(instance, label, f"slice {_instance_number(instance)}")
    return _plane(instance, None, instance, (instance,), label)


def _frames(instance: Dataset, label: str) -> Iterator[Plane]:
    shared = _first(instance, "SharedFunctionalGroupsSequence")
    per_frame = instance.get("PerFrameFunctionalGroupsSequence") or [Dataset()] * int(instance.NumberOfFrames)
    for index, own in enumerate(per_frame):
        groups = [
            _first(own, keyword) or _first(shared, keyword)
            for keyword in (*filter(None, PLACING.values()), "PixelValueTransformationSequence")
        ]
        yield _plane(instance, index, groups[-1], (instance, *groups), label)


def _plane(instance: Dataset, frame: int | None, rescale: Dataset, places: Sequence[Dataset], label: str) -> Plane:
    number = _instance_number(instance) if frame is None else frame + 1
    found = {keyword: _found(keyword, places) for keyword in PLACING}
    lacking = [keyword for keyword, value in found.items() if value in (None, "")]
    if lacking:
        name = f"{'slice' if frame is None else 'frame'} {number}"
        raise MissingGeometry(
            f"{label}: {name} lacks {' and '.join(lacking)}, so it has no place in space. Send the original images."
        )
    return Plane(
        instance=instance,
        frame=frame,
        number=number,
        size=(int(found["Rows"]), int(found["Columns"])),
        pixel_spacing=np.asarray(found["PixelSpacing"], dtype=np.float64),
        position=np.asarray(found["ImagePositionPatient"], dtype=np.float64),
        orientation=np.asarray(found["ImageOrientationPatient"], dtype=np.float64),
        frame_of_reference=str(found["FrameOfReferenceUID"]),
        slope=_number(rescale.get("RescaleSlope")),
        intercept=_number(rescale.get("RescaleIntercept")),
    )


def _check_pixels(instance: Dataset, label: str, name: str) -> None:
    if "PixelData" not in instance:
        raise UnreadableImage(f"{label}: {name} has no pixels. Send the series again with its images.")
    if instance.get("SamplesPerPixel", 1) != 1:
        raise UnreadableImage(f"{label}: {name} is in colour; this pipeline reads grey images. Send the originals.")


def _check_one_stack(instance: Dataset, label: str) -> None:
    frames = instance.get("PerFrameFunctionalGroupsSequence") or ()
    stacks = sorted({str(_first(own, "FrameContentSequence").get("StackID", "")) for own in frames} - {""})
    if len(stacks) > 1:
        raise NotAVolume(
            f"{label}: the frames of this multi-frame image form {len(stacks)} stacks ({', '.join(stacks)}), not one "
            "volume. Send a single stack."
        )


def _found(keyword: str, places: Sequence[Dataset]) -> Any:
    values = (place.get(keyword) for place in places)
    return next((value for value in values if value not in (None, "")), None)


def _first(dataset: Dataset, keyword: str) -> Dataset:
    """The one item of a functional group, or an empty one."""
    return next(iter(dataset.get(keyword) or ()), Dataset())


def _instance_number(instance: Dataset) -> int:
    return int(instance.get("InstanceNumber") or 0)


def _number(value: object) -> float | None:
    return None if value in (None, "") else float(str(value))
