"""Drawn torsos with contrast: organs, a portal tree and the vena cava, every one another anatomy, phase and bend.

Measures are in mm towards left, posterior and head from the middle of the body at the foot end; they come from the
usual sizes of adult organs and are drawn within broad ranges. No two seeds give one anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.training.ct.canvas import Canvas, Floats, Point
from inference.training.ct.case import Case, Structure, split_lobes

SPACING_MM = 3.0
EXTENT_MM = (372.0, 276.0, 330.0)
WARP_MM = 7.0
WARP_REACH_MM = 40.0
WALL = 0.80  # of the body's radii: where the inner side of ribs and muscles lies
FAT_HU, MUSCLE_HU, LUNG_HU = -100.0, 50.0, -850.0


@dataclass(frozen=True)
class Anatomy:
    """What one phantom's shapes hang on. HU by name are those of the phase of contrast."""

    width: float
    depth: float
    right_dome: float
    left_dome: float
    hilum: tuple[float, float, float]
    cava: tuple[float, float]
    cava_radius: float
    portal_radius: float
    kidneys: float
    hu: dict[str, float]


def draw(seed: int, *, spacing_mm: float = SPACING_MM) -> Case:
    """The torso of `seed`, `EXTENT_MM` large. The anatomy is the seed's alone; the noise also hangs on the spacing."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(points=_bent_points(rng, spacing_mm), spacing_mm=spacing_mm, rng=rng)
    anatomy = _anatomy(rng)
    dome = _dome(canvas, anatomy)
    _trunk(canvas, anatomy, dome)
    _bowel(canvas, anatomy)
    _stomach(canvas, anatomy)
    _spleen(canvas, anatomy, dome)
    _liver(canvas, anatomy, dome)
    _kidneys(canvas, anatomy)
    _vessels(canvas, anatomy)
    canvas.hu += rng.uniform(2, 8) * canvas.texture(6.0)
    return Case(name=f"phantom {seed}", hu=canvas.hu, structures=canvas.structures, spacing_mm=spacing_mm)


def _bent_points(rng: np.random.Generator, spacing_mm: float) -> tuple[Floats, Floats, Floats]:
    shape = [round(extent / spacing_mm) for extent in EXTENT_MM]
    axes = [(np.arange(size) + 0.5) * spacing_mm for size in shape]
    middle = [EXTENT_MM[0] / 2, EXTENT_MM[1] / 2, 0.0]
    grid = np.meshgrid(*(axis - m for axis, m in zip(axes, middle, strict=True)), indexing="ij")
    x, y, z = ((axis + _bend(rng, shape)).astype(np.float32) for axis in grid)
    return x, y, z


def _bend(rng: np.random.Generator, shape: list[int]) -> NDArray[np.float64]:
    coarse = rng.standard_normal([round(extent / WARP_REACH_MM) + 3 for extent in EXTENT_MM])
    factors = np.array(shape) / (np.array(coarse.shape) - 2)
    fine = ndimage.zoom(coarse, factors, order=3)[tuple(slice(0, size) for size in shape)]
    bend: NDArray[np.float64] = fine * (WARP_MM / 2)
    return bend


def _anatomy(rng: np.random.Generator) -> Anatomy:
    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    top = between(160, 205)
    liver = between(50, 125)
    return Anatomy(
        width=between(140, 178),
        depth=between(98, 128),
        right_dome=top,
        left_dome=top - between(0, 18),
        hilum=(between(-42, -28), between(-2, 12), top - between(72, 92)),
        cava=(between(-28, -18), between(36, 46)),
        cava_radius=between(9.5, 13),
        portal_radius=between(6.5, 9),
        kidneys=top - between(105, 150),
        hu={
            "liver": liver,
            "spleen": between(55, 170),
            "kidneys": between(80, 210),
            "portal": liver + between(35, 120),
            "cava": between(35, 170),
            "aorta": between(100, 380),
        },
    )


def _dome(canvas: Canvas, a: Anatomy) -> Floats:
    """Height of the diaphragm at every point: two domes that fall off towards the walls."""
    x, y, _ = canvas.points
    sides = ((-0.42 * a.width, a.right_dome), (0.42 * a.width, a.left_dome))
    halves = [
        top - 48 * ((x - centre) / (0.55 * a.width)) ** 2 - 40 * (y / (0.9 * a.depth)) ** 2 for centre, top in sides
    ]
    return np.maximum(*halves).astype(np.float32)


def _inside_wall(canvas: Canvas, a: Anatomy, share: float = WALL) -> Floats:
    return canvas.column((0, 0), (share * a.width, share * a.depth))


def _trunk(canvas: Canvas, a: Anatomy, dome: Floats) -> None:
    x, _, z = canvas.points
    rng = canvas.rng
    canvas.paint(_inside_wall(canvas, a, 1.0), 20)  # skin
    canvas.paint(_inside_wall(canvas, a, 0.98), FAT_HU)
    canvas.paint(_inside_wall(canvas, a, rng.uniform(0.88, 0.94)), MUSCLE_HU + 10 * canvas.texture(10))
    _ribs(canvas, a)
    canvas.paint(np.maximum(_inside_wall(canvas, a), z - dome), FAT_HU + 8 * canvas.texture(12))
    thorax = np.maximum(_inside_wall(canvas, a), dome + 3 - z)
    canvas.paint(thorax, 35)
    apex = canvas.ellipsoid((0, 5, a.left_dome - 40), (WALL * a.width, WALL * a.depth, rng.uniform(160, 200)))
    mediastinum = rng.uniform(24, 34) - np.abs(x - 4)
    lungs = np.maximum.reduce([thorax + 2, apex, mediastinum])
    canvas.paint(lungs, LUNG_HU + 30 * canvas.texture(20), Structure.LUNGS)
    vessels = canvas.texture(7) > 2.2
    canvas.hu[vessels & (canvas.structures == Structure.LUNGS)] += 350
    _heart(canvas, a)
    _spine(canvas, a)


def _ribs(canvas: Canvas, a: Anatomy) -> None:
    _, y, z = canvas.points
    shell = np.abs(_inside_wall(canvas, a, 0.84)) - 4
    rise = (z + 0.5 * y) * (2 * np.pi / 26)
    canvas.paint(np.maximum(shell, 8 * (0.45 - np.sin(rise))), canvas.rng.uniform(250, 450))


def _heart(canvas: Canvas, a: Anatomy) -> None:
    rng = canvas.rng
    centre = (rng.uniform(12, 28), rng.uniform(-30, -15), a.left_dome + rng.uniform(30, 42))
    canvas.paint(canvas.ellipsoid(centre, (rng.uniform(50, 62), 45, 45)), 90)
    canvas.paint(canvas.ellipsoid(centre, (42, 35, 35)), a.hu["aorta"] * rng.uniform(0.6, 1.0))


def _spine(canvas: Canvas, a: Anatomy) -> None:
    back = 0.62 * a.depth
    for side in (-1, 1):
        canvas.paint(canvas.column((side * 34, back + 14), (26, 20)), 45 + 8 * canvas.texture(9))
    discs = 120 * (np.sin(canvas.points[2] * (2 * np.pi / 32)) > -0.8)
    canvas.paint(canvas.column((0, back), (21, 17)), 120 + discs)
    canvas.paint(canvas.column((0, back + 24), (9, 8)), 25)


def _bowel(canvas: Canvas, a: Anatomy) -> None:
    rng = canvas.rng
    for _ in range(14):
        centre = (rng.uniform(-0.6, 0.65) * a.width, rng.uniform(-0.6, 0.1) * a.depth, rng.uniform(-10, 75))
        radius = rng.uniform(10, 22)
        shape = canvas.ellipsoid(centre, (radius, radius, radius * rng.uniform(1, 1.8)))
        inside = np.maximum(shape, _inside_wall(canvas, a, 0.78))
        canvas.paint(inside, rng.uniform(20, 80))
        canvas.paint(inside + 4, rng.choice([-700, -60, 15, 40]) + 40 * canvas.texture(6))


def _stomach(canvas: Canvas, a: Anatomy) -> None:
    rng = canvas.rng
    centre = (0.33 * a.width, rng.uniform(-30, -12), a.left_dome - rng.uniform(45, 60))
    radii = (rng.uniform(26, 40), rng.uniform(24, 34), rng.uniform(30, 45))
    shape = np.maximum(canvas.ellipsoid(centre, radii), canvas.points[2] - _dome(canvas, a) + 5)
    canvas.paint(shape, 70)
    canvas.paint(shape + 4, rng.uniform(5, 45))
    air = centre[1] - rng.uniform(0, 18)
    canvas.paint(np.maximum(shape + 4, canvas.points[1] - air), -950)


def _spleen(canvas: Canvas, a: Anatomy, dome: Floats) -> None:
    rng = canvas.rng
    centre = (rng.uniform(0.52, 0.62) * a.width, rng.uniform(28, 44), a.left_dome - rng.uniform(48, 66))
    radii = (rng.uniform(24, 34), rng.uniform(36, 50), rng.uniform(36, 55))
    hollow = canvas.ellipsoid((centre[0] - 40, centre[1] - 22, centre[2]), (34, 32, 48))
    _, _, z = canvas.points
    shape = np.maximum.reduce([canvas.ellipsoid(centre, radii), _inside_wall(canvas, a, 0.78), z - dome + 5, -hollow])
    canvas.paint(shape, a.hu["spleen"] + rng.uniform(2, 18) * canvas.texture(12), Structure.SPLEEN)


def _liver(canvas: Canvas, a: Anatomy, dome: Floats) -> None:
    rng = canvas.rng
    _, _, z = canvas.points
    fall = (a.width * rng.uniform(1.0, 1.2), rng.uniform(75, 105))
    underside = canvas.half_space((a.hilum[0], 0, a.hilum[2] - 8), (fall[1], rng.uniform(-20, 20), -fall[0]))
    behind = canvas.half_space((-30, rng.uniform(56, 64), 0), (100, 0.5 * a.width + 25, 0))
    left_end = canvas.half_space((rng.uniform(0.25, 0.55) * a.width, 0, 0), (1, 0.2, 0))
    walls = [_inside_wall(canvas, a, 0.785), z - dome + 5, underside, behind, left_end]
    shape = np.maximum.reduce(walls) + 2.5 * canvas.texture(30)
    canvas.paint(shape, a.hu["liver"] + rng.uniform(2, 8) * canvas.texture(8), Structure.RIGHT_LOBE)
    _split(canvas, a)
    if rng.random() < 0.6:
        gallbladder = (a.hilum[0] - 12, -0.38 * a.depth, a.hilum[2] - 12)
        canvas.paint(canvas.ellipsoid(gallbladder, (13, 24, 15)), rng.uniform(0, 20))


def _split(canvas: Canvas, a: Anatomy) -> None:
    liver = canvas.structures == Structure.RIGHT_LOBE
    points = np.stack([axis[liver] for axis in canvas.points], axis=-1).astype(np.float64)
    cava = np.array([(*a.cava, a.right_dome - below) for below in (0.0, 80.0)])
    left = split_lobes(points, cava_mm=cava, bifurcation_mm=np.array(a.hilum))
    canvas.structures[liver] = np.where(left, Structure.LEFT_LOBE, Structure.RIGHT_LOBE)


def _kidneys(canvas: Canvas, a: Anatomy) -> None:
    rng = canvas.rng
    for side, drop in ((-1, 12), (1, 0)):
        centre = np.array((side * rng.uniform(54, 66), rng.uniform(44, 58), a.kidneys - drop))
        radii = (rng.uniform(24, 30), rng.uniform(22, 28), rng.uniform(48, 58))
        pelvis = canvas.ellipsoid(centre - (side * 16, 3, 0), (15, 10, 22))
        shape = np.maximum(canvas.ellipsoid(centre, radii), -pelvis)
        canvas.paint(canvas.ellipsoid(centre, [r + 5 for r in radii]), FAT_HU)
        canvas.paint(shape, a.hu["kidneys"], Structure.KIDNEYS)
        canvas.paint(shape + 8, a.hu["kidneys"] * rng.uniform(0.6, 1.0) + 12 * canvas.texture(8), None)


def _vessels(canvas: Canvas, a: Anatomy) -> None:
    rng = canvas.rng
    aorta = canvas.tube([(8, 0.40 * a.depth, -20), (6, 0.38 * a.depth, 400)], [rng.uniform(9, 13)] * 2)
    canvas.paint(aorta, a.hu["aorta"])
    cava = [(a.cava[0] - 2, a.cava[1], -20), (*a.cava, a.hilum[2]), (*a.cava, a.right_dome + 6)]
    radii = [a.cava_radius, a.cava_radius, a.cava_radius * rng.uniform(1, 1.25)]
    canvas.paint(canvas.tube(cava, radii), a.hu["cava"] + 5 * canvas.texture(8), Structure.VESSELS)
    splenic, *portal = _portal_tree(rng, a)
    for (path, calibre), structure in ((splenic, Structure.NONE), *((one, Structure.VESSELS) for one in portal)):
        canvas.paint(canvas.tube(path, [a.portal_radius * c for c in calibre]), a.hu["portal"], structure)


def _portal_tree(rng: np.random.Generator, a: Anatomy) -> list[tuple[Sequence[Point], list[float]]]:
    """Splenic vein, trunk, right and left branch: each as its path and its calibre against the trunk's."""
    x, y, z = a.hilum
    confluence = (rng.uniform(0, 10), y + rng.uniform(2, 12), z - rng.uniform(28, 42))
    splenic = [confluence, (36, y + 12, confluence[2] + 5), (0.44 * a.width, 34, a.left_dome - 60)]
    right = [
        a.hilum,
        (x - 24, y + 4, z + 4),
        (x - rng.uniform(40, 52), y + rng.uniform(-5, 14), z + rng.uniform(5, 18)),
    ]
    left = [
        a.hilum,
        (x + 16, y - 18, z + 6),
        (x + rng.uniform(26, 36), y - rng.uniform(38, 50), z + rng.uniform(8, 20)),
    ]
    return [
        (splenic, [0.9, 0.75, 0.7]),
        ([confluence, (x + 12, y + 1, z - 10), a.hilum], [1.0, 1.0, 1.0]),
        (right, [0.95, 0.85, 0.75]),
        (left, [0.9, 0.8, 0.75]),
    ]
