"""A pelvis with both hips as an AP radiograph shows it, as depths of tissue along each ray.

Frame: midway between the femoral heads is the origin; +x is the image's right, which in an AP view is the patient's
left; +z is down; mm. Half a pelvis is drawn in the canonical frame of its hip and mirrored where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.training.xray import hip_joint
from inference.training.xray.hip_joint import Break, Femur, Finding
from inference.training.xray.shapes import (
    Capsule,
    Grid,
    Plane,
    Point,
    Tissue,
    bone,
    capsule_field,
    depth,
    metal,
    polygon_distance,
    rounded,
    turned_about,
    turned_point,
)

RIGHT, LEFT = -1, 1
"""On which side of the image a hip lies by its patient's side: +x is the patient's left."""

ILIUM: tuple[Point, ...] = (
    (26, -20), (38, -48), (48, -66), (52, -84), (62, -104), (60, -126), (40, -146), (8, -156), (-24, -148),
    (-44, -128), (-52, -104), (-46, -80), (-34, -62), (-30, -38), (-26, -14), (0, -26),
)  # fmt: skip
SACRUM: tuple[Point, ...] = (
    (-54, -122),
    (-20, -134),
    (20, -134),
    (54, -122),
    (44, -84),
    (24, -48),
    (-24, -48),
    (-44, -84),
)


@dataclass(frozen=True)
class Hip:
    """One hip: which side it is on, its femur, and what happened to it.

    abducted: how far the leg is drawn away from the other, degrees, as for a frog-leg view.
    """

    side: int
    femur: Femur
    finding: Finding
    cut: Break | None
    seed: int
    abducted: float = 0.0


@dataclass(frozen=True)
class Pelvis:
    """One patient on the table.

    apart: from midline to the centre of a femoral head; size: of the bones against the average; rolled: widening of one
    half and narrowing of the other as the pelvis rolls; tilt: stretching of what lies below the joints; turn: degrees
    in the plane; girth, thickness: half width and depth of the trunk, mm; seed: for what has no measure of its own.
    """

    hips: tuple[Hip, Hip]
    apart: float
    size: float
    rolled: float
    tilt: float
    turn: float
    girth: float
    thickness: float
    seed: int


@dataclass(frozen=True)
class HipBox:
    """Where a hip is and what it has: corners in pixels, half-open, of the grid that was drawn."""

    side: int
    finding: Finding
    top: float
    left: float
    bottom: float
    right: float


def some_pelvis(rng: np.random.Generator, *, findings: tuple[Finding, Finding]) -> Pelvis:
    """A patient with the given findings on the right and on the left side."""
    size = rng.uniform(0.86, 1.12)
    right, left = (_some_hip(side, found, size, rng) for side, found in zip((RIGHT, LEFT), findings, strict=True))
    return Pelvis(
        hips=(right, left),
        apart=size * rng.uniform(84, 98),
        size=size,
        rolled=rng.uniform(-0.10, 0.10),
        tilt=rng.uniform(0.8, 1.2),
        turn=rng.uniform(-7, 7),
        girth=size * rng.uniform(165, 230),
        thickness=rng.uniform(150, 280),
        seed=int(rng.integers(2**31)),
    )


def draw(pelvis: Pelvis, grid: Grid) -> tuple[Tissue, Plane]:
    """Bone and metal, and soft tissue in mm, along the ray of each pixel."""
    x, z = turned_about((0.0, 0.0), degrees=pelvis.turn)(*grid.points)
    skeleton = _midline(pelvis, x, z)
    for hip in pelvis.hips:
        skeleton += _half(pelvis, hip, *_canonical(pelvis, hip, x, z))
    return skeleton, _soft_tissue(pelvis, x, z)


def boxes(pelvis: Pelvis, grid: Grid) -> tuple[HipBox, HipBox]:
    """The true box of the right and of the left hip, in pixels of `grid`; it may reach beyond the image."""
    right, left = (_box(pelvis, hip, grid) for hip in pelvis.hips)
    return right, left


def _some_hip(side: int, finding: Finding, size: float, rng: np.random.Generator) -> Hip:
    femur = hip_joint.some_femur(rng, size=size)
    cut = None
    if finding is Finding.FRACTURE:
        kinds: tuple[Callable[[Femur, np.random.Generator], Break], ...]
        kinds = (hip_joint.neck_fracture, hip_joint.trochanteric_fracture)
        cut = kinds[int(rng.integers(2))](femur, rng)
    return Hip(side, femur, finding, cut, int(rng.integers(2**31)))


def _canonical(pelvis: Pelvis, hip: Hip, x: Plane, z: Plane) -> tuple[Plane, Plane]:
    widened = 1 + hip.side * pelvis.rolled * 0.5
    return (hip.side * x - pelvis.apart) / np.float32(widened), z


def _place(pelvis: Pelvis, hip: Hip, point: Point) -> Point:
    """A canonical point in the frame of the image: the way back of `_canonical`."""
    widened = 1 + hip.side * pelvis.rolled * 0.5
    upright = hip.side * (point[0] * widened + pelvis.apart), point[1]
    return turned_point(upright, (0.0, 0.0), degrees=pelvis.turn)


def _box(pelvis: Pelvis, hip: Hip, grid: Grid) -> HipBox:
    (near, top), (far, bottom) = hip_joint.box_of(hip.femur, hip.cut, abducted=hip.abducted)
    middle = grid.to_pixels(_place(pelvis, hip, ((near + far) / 2, (top + bottom) / 2)))
    width, height = (far - near) / grid.spacing, (bottom - top) / grid.spacing
    return HipBox(
        side=hip.side,
        finding=hip.finding,
        top=middle[1] - height / 2,
        left=middle[0] - width / 2,
        bottom=middle[1] + height / 2,
        right=middle[0] + width / 2,
    )


def _half(pelvis: Pelvis, hip: Hip, x: Plane, z: Plane) -> Tissue:
    rng = np.random.default_rng(hip.seed)
    leg = turned_about((0.0, 0.0), degrees=-hip.abducted)(x, z)
    if hip.finding is Finding.HARDWARE:
        femur = hip_joint.mended(hip.femur, *leg, rng)
    elif hip.cut is not None:
        femur = hip_joint.broken(hip.femur, hip.cut, *leg)
    else:
        femur = hip_joint.whole(hip.femur, *leg)
    return femur + _ilium(pelvis, x, z, rng) + _socket(hip.femur, x, z, rng) + _rami(pelvis, hip, x, z, rng)


def _ilium(pelvis: Pelvis, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    """The wing: thin in its middle, thick along the crest and above the joint."""
    wide, high = pelvis.size * rng.uniform(0.85, 1.1), pelvis.size * rng.uniform(0.9, 1.1)
    inside = polygon_distance([(wide * a, high * b) for a, b in rounded(ILIUM, times=1)], x, z)
    within = 1 / (1 + np.exp(-np.clip(inside / 0.8, -30, 30)))
    crest = np.exp(-((np.maximum(inside, 0) / 6) ** 2))
    column = np.exp(-(((x + 8) / 26) ** 2) - ((z + 42) / 40) ** 2)
    compact = within * (3.0 + 5.5 * np.exp(-((np.maximum(inside, 0) / 2) ** 2)))
    spongy = within * (5 + 9 * crest + 24 * column)
    return Tissue(compact.astype(np.float32), spongy.astype(np.float32), np.zeros_like(compact, dtype=np.float32))


def _socket(femur: Femur, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    """The acetabulum: a dense roof, a thinner medial wall, and the rims in front of and behind the head."""
    away = np.sqrt(x * x + z * z)
    joint = femur.head + rng.uniform(2.0, 5.0)
    up, medial = -z / (away + 1e-3), -x / (away + 1e-3)
    covered = 1 / (1 + np.exp(-np.clip((up + 0.75 * medial - 0.15) * 9, -30, 30)))
    roof = np.exp(-(((away - joint - 2) / 2.2) ** 2)) * covered * (8 + 8 * np.maximum(up, 0))
    body = np.exp(-(((away - joint - 9) / 7) ** 2)) * covered * 22
    lips = depth(capsule_field(Capsule((-9.0, 2.0), (-4.0, -6.0), joint - 3, joint - 3), x, z)) > 0
    compact, spongy = roof + 1.5 * lips, body + 4 * lips
    return Tissue(compact.astype(np.float32), spongy.astype(np.float32), np.zeros_like(x, dtype=np.float32))


def _rami(pelvis: Pelvis, hip: Hip, x: Plane, z: Plane, rng: np.random.Generator) -> Tissue:
    """Ischium and pubis around the obturator foramen, up to a narrow gap in the midline."""
    stretch = pelvis.tilt
    half_gap = rng.uniform(1.5, 4)
    midline = -pelvis.apart
    pubis = (midline + 12 + half_gap, 34 * stretch)
    tuberosity = (-26 * pelvis.size, 74 * stretch * pelvis.size)
    rods = (
        Capsule((-26, 12), tuberosity, 15, 15, 2.2),
        Capsule((-24, 6), pubis, 11, 9, 2.0),
        Capsule(pubis, (midline + 11 + half_gap, 52 * stretch), 11, 9, 1.8),
        Capsule((midline + 13 + half_gap, 52 * stretch), tuberosity, 7, 9, 1.6),
    )
    return bone(rods, x, z)


def _midline(pelvis: Pelvis, x: Plane, z: Plane) -> Tissue:
    """Sacrum with its foramina, the last lumbar vertebrae, and the coccyx."""
    rng = np.random.default_rng(pelvis.seed)
    size, shift = pelvis.size, 40 * pelvis.rolled
    x = x - np.float32(shift)
    scale = size * pelvis.apart / (92 * size)
    inside = polygon_distance([(scale * a, size * b) for a, b in rounded(SACRUM, times=1)], x, z)
    within = 1 / (1 + np.exp(-np.clip(inside / 1.0, -30, 30)))
    holes = np.zeros_like(x)
    for row, at in enumerate((-112, -96, -81, -67)):
        for side in (-1, 1):
            centre = (side * (26 - 3 * row) * scale, at * size)
            holes = holes + np.exp(-((x - centre[0]) ** 2 + (z - centre[1]) ** 2) / (2 * (4.5 - 0.5 * row) ** 2))
    solid = within * (1 - 0.55 * np.minimum(holes, 1))
    sacrum = Tissue((solid * 4).astype(np.float32), (solid * rng.uniform(24, 38)).astype(np.float32), np.zeros_like(x))
    coccyx = bone((Capsule((0, -46 * size), (rng.uniform(-4, 4), -18 * size), 9, 4, 1.2),), x, z)
    spine = Tissue.none((x.shape[0], x.shape[1]))
    for level in range(3):
        middle = -size * (154 + 36 * level)
        spine += _vertebra(x, z, middle=middle, half_width=size * 25, half_height=size * 14)
    return sacrum + coccyx + spine


def _vertebra(x: Plane, z: Plane, *, middle: float, half_width: float, half_height: float) -> Tissue:
    beyond = np.maximum(np.abs(x) / half_width, np.abs(z - middle) / half_height)
    within = 1 / (1 + np.exp(-np.clip((1 - beyond) * half_height / 1.0, -30, 30)))
    edge = np.exp(-((np.maximum(1 - beyond, 0) * half_height / 2) ** 2))
    process = np.exp(-((x / 4) ** 2) - ((z - middle) / 9) ** 2)
    arms = np.exp(-(((z - middle) / 5) ** 2)) / (1 + np.exp(np.clip((np.abs(x) - 1.8 * half_width) / 2, -30, 30)))
    compact = within * (3 + 4 * edge) + 6 * process + 3 * arms
    return Tissue(compact.astype(np.float32), (within * 26 + 5 * arms).astype(np.float32), np.zeros_like(x))


def _soft_tissue(pelvis: Pelvis, x: Plane, z: Plane) -> Plane:
    """Trunk above, two thighs below, with fat, folds and gas."""
    rng = np.random.default_rng(pelvis.seed + 1)
    trunk = pelvis.thickness * np.sqrt(np.maximum(1 - (x / pelvis.girth) ** 2, 0))
    middle = pelvis.apart + 18
    thigh = [
        0.85 * pelvis.thickness * np.sqrt(np.maximum(1 - ((x - side * middle) / (0.48 * pelvis.girth)) ** 2, 0))
        for side in (-1, 1)
    ]
    below = 1 / (1 + np.exp(-np.clip((z - rng.uniform(45, 80)) / 14, -30, 30)))
    soft = (1 - below) * trunk + below * np.maximum(*thigh)
    soft = soft + _folds(x, z, rng) * (soft > 1) - _gas(x, z, rng)
    texture = ndimage.zoom(rng.normal(0, 1, (9, 11)), (x.shape[0] / 9, x.shape[1] / 11), order=1)[
        : x.shape[0], : x.shape[1]
    ]
    return np.asarray(np.maximum(soft * (1 + 0.04 * texture), 0), dtype=np.float32)


def _folds(x: Plane, z: Plane, rng: np.random.Generator) -> Plane:
    """Creases of skin: one side of a long curve is thicker, which a fracture line must not be taken for."""
    total = np.zeros_like(x)
    for _ in range(int(rng.integers(0, 4))):
        angle, offset = rng.uniform(-0.6, 0.6), rng.uniform(-60, 110)
        across = np.cos(angle) * z + np.sin(angle) * x - offset + 0.0006 * rng.normal() * x * x
        total = total + rng.uniform(4, 18) * np.exp(-((np.maximum(across, 0) / 12) ** 2)) * (across > 0)
    return total


def _gas(x: Plane, z: Plane, rng: np.random.Generator) -> Plane:
    """Bowel gas and what lies around it, mostly above the joints."""
    total = np.zeros_like(x)
    for _ in range(int(rng.integers(2, 14))):
        centre = rng.normal(0, 45), rng.normal(-90, 45)
        long, short, turn = rng.uniform(8, 26), rng.uniform(5, 13), rng.uniform(0, 3.1)
        u = (np.cos(turn) * (x - centre[0]) + np.sin(turn) * (z - centre[1])) / long
        v = (np.cos(turn) * (z - centre[1]) - np.sin(turn) * (x - centre[0])) / short
        total = total + rng.uniform(8, 30) * np.sqrt(np.maximum(1 - u * u - v * v, 0))
    return total


def clutter(grid: Grid, rng: np.random.Generator) -> Tissue:
    """What lies on the table or in the veins and is no implant: buttons, zips, phleboliths."""
    x, z = grid.points
    rods = []
    for _ in range(int(rng.poisson(1.2))):
        at = rng.uniform(-190, 190), rng.uniform(-170, 150)
        rods.append(Capsule(at, (at[0] + 0.1, at[1]), *(2 * (rng.uniform(0.6, 2.2),))))
    if rng.random() < 0.15:
        at = rng.uniform(-170, 170), rng.uniform(-150, 140)
        rods.append(Capsule(at, (at[0] + rng.uniform(0, 30), at[1] + rng.uniform(0, 30)), 3.0, 3.0))
    if not rods:
        return Tissue.none((grid.rows, grid.columns))
    found = metal(rods, x, z)
    return Tissue(found.metal, found.spongy, found.spongy)
