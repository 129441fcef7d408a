"""The planes of a series that findings are laid on, as its headers place them. Lengths in mm, directions in LPS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.segmentation_frames import Frame
from studies.blinding.attributes import tag_of
from studies.blinding.errors import Unshowable

Element = dict[str, Any]
Vector = NDArray[np.float64]
_DIRECTION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Plane:
    """One image, or one frame of one, in space. frame: from 1, None where the image has only one; size: rows, columns;
    spacing: between rows and between columns; None for all three where a projection has no place in space."""

    sop: str
    sop_class: str
    frame: int | None
    size: tuple[int, int]
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None

    @property
    def steps(self) -> NDArray[np.float64]:
        """(3, 2): where one row, and one column, further lies. Only for planes that have a place in space."""
        assert self.orientation is not None and self.spacing is not None
        return np.stack([self.orientation[3:] * self.spacing[0], self.orientation[:3] * self.spacing[1]], axis=1)

    def coincides(self, other: Plane | Frame) -> bool:
        """Whether both cover the same pixels, as far as half a pixel may be rounded away."""
        if self.size != other.size:
            return False
        mine, theirs = (
            (self.position, self.orientation, self.spacing),
            (other.position, other.orientation, other.spacing),
        )
        if any(part is None for part in (*mine, *theirs)):
            return False
        tolerance = float(np.min(self.spacing)) / 2  # type: ignore[arg-type]
        return (
            float(np.abs(self.orientation - other.orientation).max()) < _DIRECTION_TOLERANCE  # type: ignore[operator]
            and bool(np.allclose(self.spacing, other.spacing, rtol=1e-2))  # type: ignore[arg-type]
            and float(np.linalg.norm(self.position - other.position)) < tolerance  # type: ignore[operator]
        )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The planes of one series in an order that the headers alone give."""

    series: str
    frame_of_reference: str
    planes: tuple[Plane, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.planes[0].size


def grid_of(headers: Sequence[Element]) -> Grid:
    """The grid of a series, of its images' headers as DICOM JSON.

    Raises Unshowable for images of several sizes or directions, which one overlay cannot cover.
    """
    planes = [plane for header in headers for plane in _planes(header)]
    if len({plane.size for plane in planes}) != 1:
        raise Unshowable("the images that it is drawn on differ in size")
    if any(not _alike(plane.orientation, planes[0].orientation) for plane in planes):
        raise Unshowable("the images that it is drawn on lie in different directions")
    return Grid(
        series=str(value(headers[0], "SeriesInstanceUID")),
        frame_of_reference=str(value(headers[0], "FrameOfReferenceUID") or ""),
        planes=tuple(_in_order(planes)),
    )


def value(attributes: Element, keyword: str) -> Any:
    """The first value of an attribute of DICOM JSON, or None."""
    return next(iter(attributes.get(tag_of(keyword), {}).get("Value", [])), None)


def values(attributes: Element, keyword: str) -> list[Any]:
    """All values of an attribute of DICOM JSON."""
    return list(attributes.get(tag_of(keyword), {}).get("Value", []))


def _planes(header: Element) -> Iterator[Plane]:
    if int(value(header, "NumberOfFrames") or 1) <= 1 and not values(header, "SharedFunctionalGroupsSequence"):
        yield _plane(header, None, [header])
        return
    shared = value(header, "SharedFunctionalGroupsSequence") or {}
    own = values(header, "PerFrameFunctionalGroupsSequence") or [{}] * int(value(header, "NumberOfFrames") or 1)
    for number, groups in enumerate(own, start=1):
        macros = [
            value(groups, macro) or value(shared, macro) or {}
            for macro in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        ]
        yield _plane(header, number, [header, *macros])


def _plane(header: Element, frame: int | None, places: list[Element]) -> Plane:
    return Plane(
        sop=str(value(header, "SOPInstanceUID")),
        sop_class=str(value(header, "SOPClassUID")),
        frame=frame,
        size=(int(value(header, "Rows") or 0), int(value(header, "Columns") or 0)),
        position=_vector("ImagePositionPatient", places, 3),
        orientation=_vector("ImageOrientationPatient", places, 6),
        spacing=_vector("PixelSpacing", places, 2),
    )


def _vector(keyword: str, places: list[Element], length: int) -> Vector | None:
    for place in places:
        if len(found := values(place, keyword)) == length:
            return np.asarray(found, dtype=np.float64)
    return None


def _alike(one: Vector | None, other: Vector | None) -> bool:
    if one is None or other is None:
        return one is other
    return float(np.abs(one - other).max()) < _DIRECTION_TOLERANCE


def _in_order(planes: list[Plane]) -> list[Plane]:
    """Along the normal of the first; as they came where one has no place."""
    first = planes[0]
    if first.orientation is None or any(plane.position is None for plane in planes):
        return planes
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    return sorted(planes, key=lambda plane: round(float(plane.position @ normal), 4))  # type: ignore[operator]
