"""Pictures of one finding on the images that it was made from, as the reviewer of a case sees them.

Images are windowed as their headers say, else between their darkest and brightest pixels. No text is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread

from inference.writers import planes
from inference.writers.drawing import colour_of
from inference.writers.grey import grey_levels
from studies.blinding import masks
from studies.blinding.errors import Unshowable
from studies.blinding.grids import Element, Grid, Plane, grid_of, value, values
from studies.blinding.segmentation import COLOURS
from studies.quality import key_planes
from studies.quality.drawing import Box, Layer, overlaid, plain
from studies.quality.key_planes import KeyPlane


@dataclass(frozen=True, kw_only=True)
class Source:
    """The images of a finding: their headers as DICOM JSON, their files by SOPInstanceUID, and what was found.

    segmentations: files of SEGs. boxes: by SOPInstanceUID.
    """

    headers: Sequence[Element]
    files: Mapping[str, Path]
    segmentations: Sequence[Path] = ()
    boxes: Mapping[str, Sequence[Box]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One segment, as the legend names it."""

    label: str
    colour: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image without and with the finding on it."""

    caption: str
    plain: Image.Image
    overlaid: Image.Image


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """problem: why the finding could not be laid on its images, in words; "" where it could or there is none."""

    pictures: tuple[Picture, ...]
    structures: tuple[Structure, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class _Segment:
    """bits: (planes, rows, columns), of the grid."""

    structure: Structure
    bits: NDArray[np.bool_]


def of_finding(source: Source) -> Pictures:
    """Key images of a volume, or every projection. Raises UnreadableImage where pixels cannot be decoded."""
    try:
        grid = grid_of(source.headers)
    except Unshowable as fault:
        return _of_unlike_images(source, f"The finding cannot be laid on its images: {fault}.")
    segments, problem = _segments(source, grid)
    pictures = [_picture(source, grid.planes[key.index], key, segments) for key in _key_planes(grid, segments)]
    return Pictures(pictures=tuple(pictures), structures=tuple(one.structure for one in segments), problem=problem)


def _of_unlike_images(source: Source, problem: str) -> Pictures:
    """Radiographs of several sizes: each by itself, with its boxes. A segmentation cannot be laid on them at once."""
    grids = [grid_of([header]) for header in source.headers]
    found = [plane for grid in grids for plane in grid.planes]
    keys = key_planes.of_projections(len(found))
    return Pictures(
        pictures=tuple(_picture(source, found[key.index], key, []) for key in keys),
        problem=problem if source.segmentations else "",
    )


def _key_planes(grid: Grid, segments: Sequence[_Segment]) -> list[KeyPlane]:
    if any(plane.position is None or plane.orientation is None for plane in grid.planes):
        return key_planes.of_projections(len(grid.planes))
    covered = np.zeros((len(grid.planes), *grid.size), dtype=np.bool_)
    for segment in segments:
        covered |= segment.bits
    return key_planes.of_volume(covered.sum(axis=(1, 2)))


def _segments(source: Source, grid: Grid) -> tuple[list[_Segment], str]:
    """Those that draw something on the grid, and why one cannot be laid on it."""
    found: list[_Segment] = []
    for path in source.segmentations:
        try:
            found += _segments_of(path, grid, taken=len(found))
        except Unshowable as fault:
            return found, f"The finding cannot be laid on its images: {fault}."
    return found, ""


def _segments_of(path: Path, grid: Grid, *, taken: int) -> Iterator[_Segment]:
    described = sorted(dcmread(path, stop_before_pixels=True).SegmentSequence, key=lambda one: int(one.SegmentNumber))
    named = [one for one in described if int(one.SegmentNumber) > 0]
    for at, (segment, drawn) in enumerate(zip(named, masks.of_segmentation(path, grid), strict=True), start=taken):
        shape = (len(grid.planes), *grid.size)
        bits = np.unpackbits(drawn.bits, count=int(np.prod(shape)), bitorder="little").view(np.bool_).reshape(shape)
        label = str(segment.get("SegmentLabel") or f"Segment {segment.SegmentNumber}")
        yield _Segment(Structure(label=label, colour=_colour_of(segment, at)), bits)


def _colour_of(segment: Dataset, at: int) -> str:
    """The colour that the SEG recommends (PS3.3 C.10.7.1.1), as `#rrggbb`; where it has none, the one of its place."""
    recommended = segment.get("RecommendedDisplayCIELabValue")
    if not recommended or len(recommended) != 3:
        return COLOURS[at % len(COLOURS)]
    colour = CIELabColor.from_dicom_value([min(max(int(one), 0), 0xFFFF) for one in recommended])
    return "#" + bytes(round(part) for part in colour.to_rgb(clip=True)).hex()


def _picture(source: Source, plane: Plane, key: KeyPlane, segments: Sequence[_Segment]) -> Picture:
    grey = grey_levels(planes.Plane(dcmread(source.files[plane.sop]), plane.frame))
    image = plain(grey, spacing=_spacing(plane, source.headers))
    layers = [Layer(one.bits[key.index], colour_of(one.structure.colour)) for one in segments]
    drawn = overlaid(image, shape=plane.size, layers=layers, boxes=source.boxes.get(plane.sop, ()))
    return Picture(caption=key.caption, plain=image, overlaid=drawn)


def _spacing(plane: Plane, headers: Sequence[Element]) -> tuple[float, float]:
    """Between rows and between columns, in mm; of a projection at its detector; equal where nothing is said."""
    if plane.spacing is not None:
        return float(plane.spacing[0]), float(plane.spacing[1])
    header = next(one for one in headers if value(one, "SOPInstanceUID") == plane.sop)
    at_detector = values(header, "ImagerPixelSpacing")
    if len(at_detector) == 2 and min(at_detector) > 0:
        return float(at_detector[0]), float(at_detector[1])
    return 1.0, 1.0
