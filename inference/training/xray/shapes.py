"""Bones as seen by parallel rays: round shapes in the image plane whose depth follows from their outline.

A shape is a field over the plane: positive inside, and there the square of half its depth along the ray, in mm squared.
So a capsule of radius r is a round rod, and where fields are joined the surface runs smoothly from one to the other.
Points are (x, z): x in mm towards the image's right, z in mm downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Point = tuple[float, float]

JOINT = 45.0
"""How far neighbouring shapes round off where they meet, in mm squared."""


@dataclass(frozen=True)
class Grid:
    """Pixel centres of an image. top, left: the image's corner in mm; spacing: mm per pixel in both directions."""

    top: float
    left: float
    rows: int
    columns: int
    spacing: float

    @property
    def points(self) -> tuple[Plane, Plane]:
        """x and z of every pixel centre, (rows, columns) each."""
        x = self.left + (np.arange(self.columns, dtype=np.float32) + np.float32(0.5)) * np.float32(self.spacing)
        z = self.top + (np.arange(self.rows, dtype=np.float32) + np.float32(0.5)) * np.float32(self.spacing)
        shape = (self.rows, self.columns)
        return np.broadcast_to(x[None, :], shape), np.broadcast_to(z[:, None], shape)

    def to_pixels(self, point: Point) -> Point:
        """(column, row) of a point, in pixels from the image's corner."""
        return (point[0] - self.left) / self.spacing, (point[1] - self.top) / self.spacing


@dataclass(frozen=True)
class Capsule:
    """A rod from `start` to `end` with a radius at each end and a wall of compact bone, all in mm."""

    start: Point
    end: Point
    start_radius: float
    end_radius: float
    wall: float = 2.0


def capsule_field(capsule: Capsule, x: Plane, z: Plane, *, shrunk_by: float = 0.0) -> Plane:
    """The field of one rod: its radius squared less the distance to its axis squared."""
    ax, az = capsule.start
    dx, dz = capsule.end[0] - ax, capsule.end[1] - az
    length = max(dx * dx + dz * dz, 1e-6)
    along = np.clip(((x - ax) * dx + (z - az) * dz) / length, 0, 1)
    radius = np.maximum(capsule.start_radius + along * (capsule.end_radius - capsule.start_radius) - shrunk_by, 0)
    field = radius * radius - (x - ax - along * dx) ** 2 - (z - az - along * dz) ** 2
    return np.asarray(field, dtype=np.float32)


def joined(fields: Sequence[Plane], *, joint: float = JOINT) -> Plane:
    """Several fields as one, rounded off where they meet: a smooth maximum."""
    largest = np.maximum.reduce(fields)
    total = np.zeros_like(largest)
    for field in fields:
        total += np.exp(np.maximum((field - largest) / joint, -30))
    # Without the bound, many shapes far away would add up to one.
    smooth: Plane = largest + joint * np.log(total) * (largest > -200)
    return smooth


def depth(field: Plane) -> Plane:
    """Length in mm of each ray inside the shape."""
    length: Plane = 2 * np.sqrt(np.maximum(field, 0))
    return length


def polygon_distance(corners: Sequence[Point], x: Plane, z: Plane) -> Plane:
    """Distance in mm to the outline of a polygon, positive inside and negative outside."""
    nearest = np.full(x.shape, np.inf, dtype=np.float32)
    inside = np.zeros(x.shape, dtype=np.bool_)
    for (ax, az), (bx, bz) in zip(corners, [*corners[1:], corners[0]], strict=True):
        dx, dz = bx - ax, bz - az
        along = np.clip(((x - ax) * dx + (z - az) * dz) / max(dx * dx + dz * dz, 1e-6), 0, 1)
        nearest = np.minimum(nearest, (x - ax - along * dx) ** 2 + (z - az - along * dz) ** 2)
        crosses = (az > z) != (bz > z)
        inside ^= crosses & (x < ax + (z - az) * dx / (dz if dz else 1e-6))
    distance = np.sqrt(nearest)
    return np.asarray(np.where(inside, distance, -distance), dtype=np.float32)


def rounded(corners: Sequence[Point], *, times: int = 2) -> list[Point]:
    """The polygon with its corners cut, `times` over (Chaikin's scheme)."""
    points = list(corners)
    for _ in range(times):
        pairs = zip(points, [*points[1:], points[0]], strict=True)
        points = [cut for a, b in pairs for cut in (_between(a, b, 0.25), _between(a, b, 0.75))]
    return points


@dataclass(frozen=True)
class Tissue:
    """Millimetres of compact bone, spongy bone and metal along each ray."""

    compact: Plane
    spongy: Plane
    metal: Plane

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Tissue:
        return cls(*(np.zeros(shape, dtype=np.float32) for _ in range(3)))

    def __add__(self, other: Tissue) -> Tissue:
        return Tissue(self.compact + other.compact, self.spongy + other.spongy, self.metal + other.metal)

    def times(self, part: Plane) -> Tissue:
        """All three scaled by `part`, 0 to 1, as where a piece is cut away."""
        return Tissue(self.compact * part, self.spongy * part, self.metal * part)


def bone(capsules: Sequence[Capsule], x: Plane, z: Plane, *, joint: float = JOINT) -> Tissue:
    """Rods grown together to one bone: walls of compact bone around spongy bone."""
    outer = depth(joined([capsule_field(one, x, z) for one in capsules], joint=joint))
    inner = depth(joined([capsule_field(one, x, z, shrunk_by=one.wall) for one in capsules], joint=joint))
    inner = np.minimum(inner, outer)
    return Tissue(outer - inner, inner, np.zeros_like(outer))


def metal(capsules: Sequence[Capsule], x: Plane, z: Plane) -> Tissue:
    """Rods of metal, each solid and with edges of its own."""
    solid = np.maximum.reduce([depth(capsule_field(one, x, z)) for one in capsules])
    empty = np.zeros_like(solid)
    return Tissue(empty, empty, solid)


Warp = Callable[[Plane, Plane], tuple[Plane, Plane]]


def turned_about(centre: Point, *, degrees: float, shift: Point = (0.0, 0.0)) -> Warp:
    """Where each point came from when a piece was turned about `centre` (clockwise as seen) and then shifted."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def origin(x: Plane, z: Plane) -> tuple[Plane, Plane]:
        dx, dz = x - centre[0] - shift[0], z - centre[1] - shift[1]
        return (
            np.asarray(centre[0] + cosine * dx + sine * dz, dtype=np.float32),
            np.asarray(centre[1] - sine * dx + cosine * dz, dtype=np.float32),
        )

    return origin


def turned_point(point: Point, centre: Point, *, degrees: float, shift: Point = (0.0, 0.0)) -> Point:
    """Where `turned_about` brings one point."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    dx, dz = point[0] - centre[0], point[1] - centre[1]
    return (
        float(centre[0] + cosine * dx - sine * dz + shift[0]),
        float(centre[1] + sine * dx + cosine * dz + shift[1]),
    )


def _between(a: Point, b: Point, part: float) -> Point:
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])
