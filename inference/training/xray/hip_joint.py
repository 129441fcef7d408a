"""The upper end of a femur, whole, broken or mended with metal, as rods in the plane of an AP radiograph.

Canonical frame: the centre of the femoral head is the origin, lateral is +x, down is +z, mm. Proportions follow
textbook values: head diameter 40 to 54 mm, neck-shaft angle 120 to 140 degrees, a neck of 42 to 54 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from inference.training.xray.shapes import (
    Capsule,
    Plane,
    Point,
    Tissue,
    bone,
    metal,
    turned_about,
    turned_point,
)

EDGE = 0.6
"""Over how many mm a broken surface fades, as blur and its slant make it."""
MARGIN = 11.0
"""How far a hip's box reaches beyond head and trochanters, mm."""


class Finding(StrEnum):
    """What there is to say of a hip."""

    NORMAL = "normal"
    FRACTURE = "fracture"
    HARDWARE = "hardware"


@dataclass(frozen=True)
class Femur:
    """Measures of one femur as projected. angle: between neck and shaft, degrees; the rest in mm but for `lean`.

    lean: of the shaft towards the midline, degrees; wall: of the shaft.
    """

    head: float
    neck: float
    angle: float
    lean: float
    shaft: float
    wall: float
    lesser: float

    @property
    def base(self) -> Point:
        """Where the axes of neck and shaft meet."""
        from_vertical = np.radians(180 - self.angle) + np.radians(self.lean)
        return float(self.neck * np.sin(from_vertical)), float(self.neck * np.cos(from_vertical))

    def down(self, length: float, *, lateral: float = 0.0) -> Point:
        """A point `length` mm down the shaft from its base, and `lateral` mm beside its axis."""
        sine, cosine = np.sin(np.radians(self.lean)), np.cos(np.radians(self.lean))
        x, z = self.base
        return float(x - length * sine + lateral * cosine), float(z + length * cosine + lateral * sine)

    def along_neck(self, part: float, *, above: float = 0.0) -> Point:
        """A point on the neck's axis, `part` of the way from the head's centre to the base, `above` mm off it."""
        (x, z), length = self.base, self.neck
        return part * x + above * z / length, part * z - above * x / length

    @property
    def landmarks(self) -> tuple[tuple[Point, float], ...]:
        """Head, greater and lesser trochanter as circles."""
        return (
            ((0.0, 0.0), self.head),
            (self.down(-24, lateral=11), 10.0),
            (self.down(26, lateral=-self.shaft), self.lesser),
        )

    @property
    def rods(self) -> tuple[Capsule, ...]:
        wall = self.wall
        neck = 0.68 * self.head
        return (
            Capsule((0.0, 0.0), (0.01, 0.01), self.head, self.head, 1.6),
            Capsule(self.along_neck(0.3), self.along_neck(0.95), neck, neck + 3, 0.45 * wall),
            Capsule(self.down(-6, lateral=4), self.down(-23, lateral=10), self.shaft, 10.5, 2.0),
            Capsule(self.base, self.down(45), self.shaft + 4, self.shaft, 0.7 * wall),
            Capsule(self.down(24, lateral=-0.6 * self.shaft), self.down(27, lateral=-self.shaft), 9, self.lesser, 2.0),
            Capsule(self.down(45), self.down(260), self.shaft, self.shaft - 2, wall),
        )


def some_femur(rng: np.random.Generator, *, size: float) -> Femur:
    """A femur of a person who is `size` times the average, turned in or out a little."""
    foreshortened = np.cos(np.radians(rng.uniform(0, 40)))
    return Femur(
        head=size * rng.uniform(22, 26),
        neck=size * rng.uniform(46, 54) * foreshortened,
        angle=rng.uniform(122, 140),
        lean=rng.uniform(-8, 12),
        shaft=size * rng.uniform(14, 17.5),
        wall=rng.uniform(2.5, 7),
        lesser=rng.uniform(5, 10),
    )


@dataclass(frozen=True)
class Break:
    """A fracture: where the cut runs and how the lower piece moved.

    through: a point on the cut; normal: degrees from lateral towards down, pointing to the lower piece; gap: mm
    between the pieces; turn: degrees; shift: mm; waves: amplitude, length and phase of the jags along the cut.
    """

    through: Point
    normal: float
    gap: float
    turn: float
    shift: Point
    waves: tuple[tuple[float, float, float], ...]

    def beyond(self, x: Plane, z: Plane) -> Plane:
        """Distance in mm beyond the cut, towards the lower piece."""
        cosine, sine = np.cos(np.radians(self.normal)), np.sin(np.radians(self.normal))
        dx, dz = x - self.through[0], z - self.through[1]
        along = cosine * dz - sine * dx
        jags = sum(size * np.sin(2 * np.pi * along / length + phase) for size, length, phase in self.waves)
        return np.asarray(cosine * dx + sine * dz + jags, dtype=np.float32)


def neck_fracture(femur: Femur, rng: np.random.Generator) -> Break:
    """Across the neck, from just below the head to its base."""
    axis = float(np.degrees(np.arctan2(femur.base[1], femur.base[0])))
    return _break(femur.along_neck(rng.uniform(0.42, 0.75)), axis + rng.uniform(-25, 25), rng)


def trochanteric_fracture(femur: Femur, rng: np.random.Generator) -> Break:
    """From the greater trochanter down to the lesser one."""
    through = femur.down(rng.uniform(-4, 12), lateral=rng.uniform(-6, 4))
    return _break(through, rng.uniform(25, 75) + femur.lean, rng)


def _break(through: Point, normal: float, rng: np.random.Generator) -> Break:
    waves = tuple((rng.uniform(0.3, 1.8), rng.uniform(5, 28), rng.uniform(0, 6.3)) for _ in range(3))
    if rng.random() < 0.25:  # hardly displaced: a lucent line is all there is
        small = (rng.uniform(-1.5, 1.5), rng.uniform(-2.5, 1))
        return Break(through, normal, rng.uniform(2, 4), rng.uniform(-4, 4), small, waves)
    shift = (rng.uniform(-8, 9), rng.uniform(-24, -2))
    return Break(through, normal, rng.uniform(-2, 4), rng.uniform(-28, 12), shift, waves)


def whole(femur: Femur, x: Plane, z: Plane) -> Tissue:
    """The femur as it grew."""
    return bone(femur.rods, x, z)


def broken(femur: Femur, cut: Break, x: Plane, z: Plane) -> Tissue:
    """The femur in two pieces, the lower one moved; where they overlap, both are passed."""
    upper = whole(femur, x, z).times(_fading(-cut.beyond(x, z) - cut.gap / 2))
    moved = turned_about(cut.through, degrees=cut.turn, shift=cut.shift)(x, z)
    lower = whole(femur, *moved).times(_fading(cut.beyond(*moved) - cut.gap / 2))
    return upper + lower


def mended(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    """The femur with a prosthesis, screws, a plate or a nail."""
    kinds = (_total_prosthesis, _half_prosthesis, _screws, _plate, _nail)
    return kinds[int(rng.integers(len(kinds)))](femur, x, z, rng)


def box_of(femur: Femur, cut: Break | None, *, abducted: float = 0.0) -> tuple[Point, Point]:
    """Upper medial and lower lateral corner, canonical mm, around head and trochanters as they lie.

    abducted: how far the leg was drawn away from the other, degrees.
    """
    head, *trochanters = femur.landmarks
    if cut is not None:
        trochanters = [
            (turned_point(centre, cut.through, degrees=cut.turn, shift=cut.shift), radius)
            for centre, radius in trochanters
        ]
    circles = [(turned_point(centre, (0.0, 0.0), degrees=-abducted), radius) for centre, radius in (head, *trochanters)]
    low = tuple(min(centre[axis] - radius for centre, radius in circles) - MARGIN for axis in (0, 1))
    high = tuple(max(centre[axis] + radius for centre, radius in circles) + MARGIN for axis in (0, 1))
    return (low[0], low[1]), (high[0], high[1])


def _fading(distance: Plane) -> Plane:
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / (EDGE / 2), -30, 30))), dtype=np.float32)


def _stem(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    """The femur without head and neck, a stem in its canal, and a metal neck up to the joint."""
    cut = Break(femur.along_neck(rng.uniform(0.6, 0.8)), 50 + femur.lean, 0.0, 0.0, (0.0, 0.0), ())
    length, width = rng.uniform(100, 160), rng.uniform(0.5, 0.75) * femur.shaft
    rods = (
        Capsule((0.0, 0.0), femur.along_neck(0.75), 6.0, 8.0),
        Capsule(femur.along_neck(0.75), femur.down(25), 10.0, width + 2),
        Capsule(femur.down(25), femur.down(length), width + 2, 0.6 * width),
    )
    return whole(femur, x, z).times(_fading(cut.beyond(x, z))) + metal(rods, x, z)


def _total_prosthesis(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    ball, cup = rng.uniform(13, 18), femur.head + rng.uniform(1, 5)
    tilt = np.radians(rng.uniform(35, 55))
    opening = np.cos(tilt) * z - np.sin(tilt) * -x
    shell = metal([Capsule((0.0, 0.0), (0.01, 0.0), cup, cup)], x, z).metal
    hollow = metal([Capsule((0.0, 0.0), (0.01, 0.0), cup - 4, cup - 4)], x, z).metal
    empty = np.zeros_like(shell)
    half = Tissue(empty, empty, (shell - hollow) * _fading(-opening.astype(np.float32)))
    head = metal([Capsule((0.0, 0.0), (0.01, 0.0), ball, ball)], x, z)
    return _stem(femur, x, z, rng) + half + head


def _half_prosthesis(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    ball = femur.head * rng.uniform(0.95, 1.05)
    return _stem(femur, x, z, rng) + metal([Capsule((0.0, 0.0), (0.01, 0.0), ball, ball)], x, z)


def _screws(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    rods = []
    for above in np.linspace(-9, 9, int(rng.integers(2, 4))) + rng.uniform(-2, 2):
        start, tip = femur.along_neck(1.45, above=above), femur.along_neck(-0.22, above=0.8 * above)
        thread = femur.along_neck(0.1, above=0.8 * above)
        rods += [Capsule(start, tip, 2.6, 2.6), Capsule(thread, tip, 3.6, 3.6), Capsule(start, start, 4.5, 4.5)]
    return whole(femur, x, z) + metal(rods, x, z)


def _plate(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    beside, length = femur.shaft + 3.5, rng.uniform(80, 140)
    entry = femur.down(12, lateral=beside)
    rods = [
        Capsule(entry, femur.along_neck(-0.2), 4.5, 4.5),
        Capsule(femur.along_neck(0.15), femur.along_neck(-0.2), 6.2, 6.2),
        Capsule(entry, femur.down(length, lateral=beside - 1), 3.8, 3.4),
    ]
    for at in np.arange(35, length - 5, 18):
        rods.append(Capsule(femur.down(at, lateral=beside), femur.down(at, lateral=-femur.shaft - 2), 2.2, 2.2))
    return whole(femur, x, z) + metal(rods, x, z)


def _nail(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    width, length = rng.uniform(5, 6.5), rng.uniform(150, 260)
    rods = [
        Capsule(femur.down(-32, lateral=5), femur.down(20, lateral=0), width + 1.5, width + 0.5),
        Capsule(femur.down(20, lateral=0), femur.down(length), width + 0.5, width - 0.5),
        Capsule(femur.down(14, lateral=femur.shaft + 6), femur.along_neck(-0.2), 5.2, 5.2),
    ]
    return whole(femur, x, z) + metal(rods, x, z)
