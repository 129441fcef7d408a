"""Chest radiographs rendered from the real CT: a cone of rays from behind through another build and pose each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.operators.pictures import Picture, fitted, stretched
from inference.training.xray import exposure
from inference.training.xray.chest_ct import Chest, Floats
from inference.training.xray.chest_findings import ChestFinding, with_finding

FINDINGS = tuple(ChestFinding)
CHEST_SIZE = (128, 128)
WATER_MU, BONE_MU = 0.0165, 0.030
"""Attenuation per mm at about 120 kVp: of water, and of a thousand HU beyond BONE_FROM."""
FOCUS = 1800.0
"""mm from the focus to the detector."""


@dataclass(frozen=True)
class Pose:
    """How a patient stood and is built. turn, lean: of the body about the vertical and forward, degrees; roll: in the
    plane; wide, high: against the CT's patient; across, down: off centre, mm; far: from chest to detector, mm."""

    turn: float
    lean: float
    roll: float
    wide: float
    high: float
    across: float
    down: float
    far: float


@dataclass(frozen=True)
class ChestPicture:
    """pixels: CHEST_SIZE; finding: an index into FINDINGS."""

    pixels: Picture
    finding: int


def some_pose(rng: np.random.Generator) -> Pose:
    """A patient who stands about as asked."""
    return Pose(
        turn=rng.normal(0, 3.5),
        lean=rng.normal(0, 4),
        roll=rng.normal(0, 2),
        wide=rng.uniform(0.88, 1.12),
        high=rng.uniform(0.88, 1.16),
        across=rng.normal(0, 8),
        down=rng.normal(-25, 8),
        far=rng.uniform(20, 120),
    )


STRAIGHT = Pose(turn=0.0, lean=0.0, roll=0.0, wide=1.0, high=1.0, across=0.0, down=-25.0, far=40.0)


def project(chest: Chest, pose: Pose, *, rows: int, columns: int, spacing: float, bones: float = 1.0) -> Floats:
    """The exponent of each ray, (rows, columns), on a detector of `spacing` mm whose centre faces the chest's.

    Each slab is magnified by its distance from the detector and shifted as the body's turn and lean move it: a cone
    of rays, exact but for the small angle between rays and slabs. The roll is left to whoever turns the picture.
    bones: density of bones against the CT's.
    """
    count = len(chest.density)
    in_front = (np.arange(count) - (count - 1) / 2) * chest.spacing[0]  # mm in front of the body's middle
    magnified = FOCUS / (FOCUS - (pose.far + 120 - in_front))
    tissue = WATER_MU * chest.density + np.float32(bones * BONE_MU) * chest.bone
    across = pose.across + in_front * np.tan(np.radians(pose.turn))
    down = pose.down + in_front * np.tan(np.radians(pose.lean))
    total = np.zeros((rows, columns), dtype=np.float32)
    for slab, scale, right, below in zip(tissue, magnified, across, down, strict=True):
        at_rows = _sampling(rows, spacing / scale / pose.high, below, slab.shape[0], chest.spacing[1])
        at_columns = _sampling(columns, spacing / scale / pose.wide, right, slab.shape[1], chest.spacing[2])
        total += _taken(_taken(slab, *at_rows).T, *at_columns).T
    oblique = np.cos(np.radians(pose.turn)) * np.cos(np.radians(pose.lean))
    return np.asarray(total * np.float32(chest.spacing[0] / oblique), dtype=np.float32)


def radiograph(chest: Chest, finding: ChestFinding, rng: np.random.Generator, *, rows: int, spacing: float) -> Picture:
    """A PA radiograph of some patient with `finding`, (rows, rows), 0 to 1."""
    ill = with_finding(chest, finding, rng)
    pose = some_pose(rng)
    exponent = project(ill, pose, rows=rows, columns=rows, spacing=spacing, bones=rng.uniform(0.4, 1.3))
    exponent = _bent(exponent, rng, roll=pose.roll) + _covering(rows, rng) + _leads(rows, spacing, rng)
    image = exposure.expose(exponent, exposure.some_exposure(rng), spacing=spacing, rng=rng)
    return exposure.marked(exposure.collimated(image, rng), rng, spacing=spacing)


def chest_pictures(chest: Chest, count: int, *, seed: int) -> Iterator[ChestPicture]:
    """`count` chests, findings in turn."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        finding = index % len(FINDINGS)
        image = radiograph(chest, FINDINGS[finding], rng, rows=CHEST_SIZE[0], spacing=rng.uniform(2.2, 2.55))
        yield ChestPicture(stretched(fitted(image, CHEST_SIZE)[0]), finding)


def _sampling(count: int, step: float, shift: float, given: int, spacing: float) -> tuple[Floats, Floats]:
    """Where `count` samples `step` mm apart, centred on `shift` mm off the middle, fall among `given` of `spacing` mm.

    Returns the index below each, as a float, and the part of the way to the next; beyond the edge, the edge.
    """
    middle = (given - 1) / 2 + shift / spacing
    at = np.clip(middle + (np.arange(count) - (count - 1) / 2) * (step / spacing), 0, given - 1.001)
    below = np.floor(at)
    return below, (at - below).astype(np.float32)


def _taken(array: Floats, below: Floats, part: Floats) -> Floats:
    """Linear interpolation along the first axis."""
    first = below.astype(np.intp)
    lower: Floats = array[first]
    return lower + part[:, None] * (array[first + 1] - lower)


def _bent(exponent: Floats, rng: np.random.Generator, *, roll: float) -> Floats:
    """The picture turned by `roll` degrees and gently bent, for other ribs and hearts than the one patient's."""
    rows, columns = exponent.shape
    coarse = rng.normal(0, 0.018 * rows, (2, 4, 4))
    shifts = [ndimage.zoom(one, (rows / 4, columns / 4), order=1) for one in coarse]
    down, across = np.meshgrid(np.arange(rows) - rows / 2, np.arange(columns) - columns / 2, indexing="ij")
    cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    places = (
        cosine * down - sine * across + rows / 2 + shifts[0],
        sine * down + cosine * across + columns / 2 + shifts[1],
    )
    bent: Floats = ndimage.map_coordinates(exponent, places, order=1, mode="nearest")
    return bent


def _covering(rows: int, rng: np.random.Generator) -> Floats:
    """Fat all over, and breasts or muscles over the lower lungs."""
    across, down = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, rows))
    fat = rng.uniform(0, 40) * (1 - 0.5 * across**2)
    height, width, low = rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.45), rng.uniform(0.0, 0.5)
    folds = [
        np.sqrt(np.maximum(1 - ((across - side * 0.45) / width) ** 2 - ((down - low) / height) ** 2, 0))
        for side in (-1, 1)
    ]
    return np.asarray(
        WATER_MU * (fat + rng.choice((0.0, rng.uniform(5, 45))) * (folds[0] + folds[1])), dtype=np.float32
    )


def _leads(rows: int, spacing: float, rng: np.random.Generator) -> Floats:
    """Cables and electrodes on the skin of some patients."""
    picture = np.zeros((rows, rows), dtype=np.float32)
    if rng.random() < 0.7:
        return picture
    steps = np.linspace(0, 1, 4 * rows)
    for _ in range(int(rng.integers(1, 4))):
        start, middle, end = rng.uniform(0, rows - 1, (3, 2))
        curve = np.outer((1 - steps) ** 2, start) + np.outer(2 * steps * (1 - steps), middle) + np.outer(steps**2, end)
        picture[tuple(curve.round().astype(int).T)] = 1.0
        row, column = end.astype(int)
        reach = max(1, int(4 / spacing))
        picture[max(0, row - reach) : row + reach, max(0, column - reach) : column + reach] = 1.0
    return np.asarray(ndimage.gaussian_filter(picture, 0.5) * rng.uniform(0.2, 0.9), dtype=np.float32)
