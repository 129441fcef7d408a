"""Painting of phantoms: shapes as signed distances, laid over one another with partial volume at their borders.

Distances are in mm, negative inside, and need only be true near the surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.training.ct.case import AIR_HU, Structure

Floats = NDArray[np.float32]
Point = Sequence[float] | NDArray[np.float64]


@dataclass
class Canvas:
    """What has been painted so far, on one grid.

    points: three (I, J, K) arrays of mm towards left, posterior, head, already bent by the phantom's own warp.
    """

    points: tuple[Floats, Floats, Floats]
    spacing_mm: float
    rng: np.random.Generator
    hu: Floats = field(init=False)
    structures: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.hu = np.full(self.points[0].shape, AIR_HU, np.float32)
        self.structures = np.zeros(self.points[0].shape, np.uint8)

    def paint(self, distance: Floats, hu: float | Floats, structure: Structure | None = Structure.NONE) -> None:
        """Lay a shape over what is there. With no structure the label below stays, as for texture inside an organ."""
        share = np.clip(0.5 - distance / self.spacing_mm, 0, 1)
        self.hu += share * (hu - self.hu)
        if structure is not None:
            self.structures[share > 0.5] = structure

    def ellipsoid(self, centre: Point, radii: Point) -> Floats:
        """Distance from the surface of an ellipsoid along the axes."""
        scaled = sum(((axis - c) / r) ** 2 for axis, c, r in zip(self.points, centre, radii, strict=True))
        return np.asarray((np.sqrt(scaled) - 1) * min(radii), np.float32)

    def column(self, centre: Point, radii: Point) -> Floats:
        """Distance from the surface of an elliptic column along the head axis."""
        x, y, _ = self.points
        scaled = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
        return np.asarray((scaled - 1) * min(radii), np.float32)

    def half_space(self, through: Point, normal: Point) -> Floats:
        """Distance from a plane; the side that `normal` points to is outside."""
        unit = np.array(normal) / np.linalg.norm(normal)
        offsets = (axis - p for axis, p in zip(self.points, through, strict=True))
        return np.asarray(sum(n * offset for n, offset in zip(unit, offsets, strict=True)), np.float32)

    def tube(self, path: Sequence[Point], radii: Sequence[float]) -> Floats:
        """Distance from the wall of a tube along `path`, whose radius runs from each point's to the next one's."""
        ends = zip(path[:-1], path[1:], radii[:-1], radii[1:], strict=True)
        nearest: Floats = np.minimum.reduce([self._cone(*one) for one in ends])
        return nearest

    def texture(self, wavelength_mm: float) -> Floats:
        """Smooth noise of mean 0 and standard deviation 1."""
        noise = self.rng.standard_normal(self.hu.shape).astype(np.float32)
        smooth = ndimage.gaussian_filter(noise, wavelength_mm / 2 / self.spacing_mm)
        return np.asarray(smooth / smooth.std(), np.float32)

    def _cone(self, start: Point, end: Point, first_radius: float, last_radius: float) -> Floats:
        direction = np.array(end) - np.array(start)
        offsets = [axis - s for axis, s in zip(self.points, start, strict=True)]
        projected = sum(o * d for o, d in zip(offsets, direction, strict=True)) / float(direction @ direction)
        along = np.clip(projected, 0, 1)
        square = sum((o - along * d) ** 2 for o, d in zip(offsets, direction, strict=True))
        return np.asarray(np.sqrt(square) - (first_radius + along * (last_radius - first_radius)), np.float32)
