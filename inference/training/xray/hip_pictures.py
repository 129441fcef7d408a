"""Training pictures of hips: whole pelvises with boxes for the finder, single hips for the classifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.operators.pictures import Picture, cropped, fitted, stretched
from inference.training.xray import exposure, pelvis
from inference.training.xray.hip_joint import Finding
from inference.training.xray.pelvis import HipBox
from inference.training.xray.shapes import Grid

FINDINGS = tuple(Finding)
FINDER_SIZE = (160, 192)
CROP_SIZE = 96
AROUND = 1.15
"""Side of the square that the classifier sees, as a multiple of the longer side of a hip's box."""


@dataclass(frozen=True)
class PelvisPicture:
    """pixels: FINDER_SIZE; boxes: of both hips (2, 4): top, left, bottom, right in its pixels."""

    pixels: Picture
    boxes: NDArray[np.float32]


@dataclass(frozen=True)
class HipPicture:
    """pixels: (CROP_SIZE, CROP_SIZE); finding: an index into FINDINGS."""

    pixels: Picture
    finding: int


def radiograph(patient: pelvis.Pelvis, grid: Grid, rng: np.random.Generator) -> Picture:
    """The patient's AP radiograph on `grid`, 0 to 1, exposed at random."""
    bones, soft = pelvis.draw(patient, grid)
    exponent = exposure.attenuation(bones + pelvis.clutter(grid, rng), soft)
    return exposure.expose(exponent, exposure.some_exposure(rng), spacing=grid.spacing, rng=rng)


def pelvis_pictures(count: int, *, seed: int) -> Iterator[PelvisPicture]:
    """`count` pelvises of any findings, in any collimation and place."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        patient = pelvis.some_pelvis(rng, findings=_two_findings(rng))
        grid = _some_grid(rng)
        image = radiograph(patient, grid, rng)
        image = exposure.marked(exposure.collimated(image, rng), rng, spacing=grid.spacing)
        framed, fit = fitted(image, FINDER_SIZE)
        corners = np.array([_corners(box) for box in pelvis.boxes(patient, grid)])
        boxes = corners / (fit.down, fit.across, fit.down, fit.across) + (fit.top, fit.left, fit.top, fit.left)
        yield PelvisPicture(stretched(framed), boxes.astype(np.float32))


def hip_pictures(count: int, *, seed: int) -> Iterator[HipPicture]:
    """`count` hips, findings in turn, cropped about as well as the finder finds them."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        finding, side = index % len(FINDINGS), int(rng.integers(2))
        others = FINDINGS[int(rng.integers(len(FINDINGS)))]
        both = (FINDINGS[finding], others) if side == 0 else (others, FINDINGS[finding])
        patient = pelvis.some_pelvis(rng, findings=both)
        yield HipPicture(_close_up(patient, side, rng), finding)


def _close_up(patient: pelvis.Pelvis, side: int, rng: np.random.Generator) -> Picture:
    unit = Grid(0.0, 0.0, 1, 1, 1.0)
    box = pelvis.boxes(patient, unit)[side]
    longer = AROUND * max(box.bottom - box.top, box.right - box.left) * rng.uniform(0.87, 1.17)
    row = (box.top + box.bottom) / 2 + rng.uniform(-0.09, 0.09) * longer
    column = (box.left + box.right) / 2 + rng.uniform(-0.09, 0.09) * longer
    spacing = longer / CROP_SIZE / rng.uniform(1.0, 1.6)
    pixels = round(longer / spacing)
    grid = Grid(row - longer / 2, column - longer / 2, pixels, pixels, spacing)
    image = radiograph(patient, grid, rng)
    return stretched(cropped(image, top=0, left=0, side=pixels, size=CROP_SIZE))


def _two_findings(rng: np.random.Generator) -> tuple[Finding, Finding]:
    first, second = (FINDINGS[int(index)] for index in rng.integers(len(FINDINGS), size=2))
    return first, second


def _some_grid(rng: np.random.Generator) -> Grid:
    width, height = rng.uniform(360, 440), rng.uniform(290, 440)
    spacing = width / 224
    top = rng.uniform(-0.72, -0.5) * height + rng.uniform(-10, 10)
    left = -width / 2 + rng.uniform(-25, 25)
    return Grid(top, left, round(height / spacing), round(width / spacing), spacing)


def _corners(box: HipBox) -> tuple[float, float, float, float]:
    return box.top, box.left, box.bottom, box.right
