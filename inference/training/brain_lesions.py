"""Brains with a glioma-like lesion of a known volume, drawn from real anatomy.

A patient is an anatomy, bent by a smooth random warp, with at most one lesion. The lesion is a level set: the smooth
union of ellipsoids, roughened by noise, that spreads more readily along white matter than into grey, and never into
fluid or out of the brain. Its border at a given volume is the level that this volume of voxels lies below, so one
lesion can be drawn at every size that it had over the patient's exams.

The reference mask covers the whole abnormality: core (with what is necrotic in it) and oedema, out to where the
change of signal has fallen to half. The signal itself fades over 1 to 2 mm on both sides of that border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference.training import fields
from inference.training.brains import DISTANCE, FLUID, GREY, WHITE, Brain
from inference.training.fields import Sampled

NEVER = 1e3
"""Level, in mm, of points that no lesion reaches."""
SMOOTHING = 2.5
"""How softly, in mm, the lobes of a lesion flow into each other."""
WARP_REACH = 130.0
PUSH = 0.22
"""Mass effect: how far tissue at the lesion's border is moved, as a part of the lesion's radius."""


@dataclass(frozen=True)
class Lesion:
    """A shape around `centre` (3,), in mm of the patient's own head.

    offsets, radii: (lobes, 3) mm, at the volume `ml` that the shape was drawn for. roughness: noise of 2 channels, for
    the outer border and for the core. grey_resistance: mm by which grey matter holds it back. core_part: depth of the
    core's border below the outer one, as a part of the radius. necrosis: depth of necrosis, likewise; 1 is none.
    """

    centre: Tensor
    offsets: Tensor
    radii: Tensor
    roughness: Sampled
    ml: float
    amplitude: float
    grey_resistance: float
    core_part: float
    necrosis: float

    @property
    def radius(self) -> float:
        """Of the sphere of the volume `ml`, in mm."""
        return radius_of(self.ml)

    def level(self, points: Tensor, tissues: Tensor) -> Tensor:
        """(...,) mm: how far outside (above 0) or inside the shape a point lies, roughly."""
        reach = float(self.radii.max() + self.offsets.norm(dim=1).max()) + 20
        flat, kinds = points.reshape(-1, 3), tissues.reshape(-1, tissues.shape[-1])
        level = torch.full((len(flat),), NEVER)
        near = ((flat - self.centre).norm(dim=1) < reach) & (kinds[:, FLUID] < 0.5) & (kinds[:, DISTANCE] <= 0)
        near &= kinds[:, WHITE] + kinds[:, GREY] > 0.3
        level[near] = self._level_near(flat[near], kinds[near])
        return level.reshape(points.shape[:-1])

    def _level_near(self, points: Tensor, tissues: Tensor) -> Tensor:
        from_lobes = (points - self.centre)[:, None, :] - self.offsets
        outside = ((from_lobes / self.radii).norm(dim=-1) - 1) * self.radii.amin(dim=-1)
        union = -SMOOTHING * torch.logsumexp(-outside / SMOOTHING, dim=-1)
        level: Tensor = (
            union + self.amplitude * self.roughness.at(points)[:, 0] + self.grey_resistance * tissues[:, GREY]
        )
        return level


@dataclass(frozen=True)
class Patient:
    """One anatomy and what grows in it.

    size: factors along left, posterior and head; warp: displacement in mm, 3 channels.
    """

    brain: Brain
    size: Tensor
    warp: Sampled
    lesion: Lesion | None

    def tissues(self, points: Tensor, *, lesion_ml: float = 0.0) -> Tensor:
        """The brain's maps at points (..., 3) of this patient's head, displaced by a lesion of `lesion_ml`."""
        anatomical = points / self.size + self.warp.at(points)
        if self.lesion is not None and lesion_ml > 0:
            anatomical = anatomical - self._push(points, lesion_ml)
        return self.brain.maps.at(anatomical)

    def _push(self, points: Tensor, lesion_ml: float) -> Tensor:
        assert self.lesion is not None
        radius = radius_of(lesion_ml)
        away = points - self.lesion.centre
        distance = away.norm(dim=-1, keepdim=True)
        strength = PUSH * torch.exp(-((distance / (2.5 * radius)) ** 2)) * (distance / radius).clamp(max=1)
        moved: Tensor = radius * strength * away / distance.clamp(min=1e-3)
        return moved


def radius_of(ml: float) -> float:
    """Radius in mm of the sphere of `ml` millilitres."""
    return float((3000 * ml / (4 * np.pi)) ** (1 / 3))


def new_patient(brain: Brain, random: np.random.Generator, *, lesion_ml: float, bend: float = 4.0) -> Patient:
    """A patient whose anatomy is `brain` bent by some `bend` mm, with a lesion drawn for `lesion_ml`, or none for 0."""
    size = torch.from_numpy(random.uniform(0.93, 1.07, 3).astype(np.float32))
    coarse = fields.noise(random, wavelength=random.uniform(35, 60), reach=WARP_REACH, channels=3)
    healthy = Patient(brain, size, Sampled(coarse.values * random.uniform(0.5, 1.0) * bend, coarse.affine), None)
    if lesion_ml <= 0:
        return healthy
    return Patient(
        brain, size, healthy.warp, new_lesion(random, ml=lesion_ml, centre=_place(healthy, random, lesion_ml))
    )


def new_lesion(random: np.random.Generator, *, ml: float, centre: Tensor) -> Lesion:
    """A shape of about `ml` millilitres: one main lobe and up to four smaller ones at its sides."""
    radius = radius_of(ml)
    lobes = int(random.integers(1, 5))
    directions = random.standard_normal((lobes, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    offsets = np.vstack([np.zeros(3), directions * random.uniform(0.6, 1.0, (lobes, 1)) * radius])
    radii = np.vstack([random.uniform(0.7, 1.05, 3), random.uniform(0.3, 0.65, (lobes, 3))]) * radius
    rough = fields.noise(
        random,
        wavelength=float(np.clip(radius * random.uniform(0.45, 0.8), 4, 12)),
        reach=1.8 * radius + 30,
        channels=2,
        centre=tuple(centre.tolist()),
    )
    return Lesion(
        centre=centre,
        offsets=torch.from_numpy(offsets.astype(np.float32)),
        radii=torch.from_numpy(radii.astype(np.float32)),
        roughness=rough,
        ml=ml,
        amplitude=float(random.uniform(0.08, 0.2) * radius),
        grey_resistance=float(random.uniform(0.1, 0.25) * radius),
        core_part=float(random.uniform(0.15, 0.5)),
        necrosis=float(random.uniform(0.4, 1.6)),
    )


def _place(patient: Patient, random: np.random.Generator, ml: float) -> Tensor:
    """A point in white matter, most often deep enough below the surface for a lesion of `ml` to fit."""
    points = torch.from_numpy(random.uniform((-60, -75, -35), (60, 75, 60), (4000, 3)).astype(np.float32))
    tissues = patient.tissues(points)
    deep = patient.tissues(points * (1 + 0.6 * radius_of(ml) / points.norm(dim=1, keepdim=True)))[:, DISTANCE] <= 0
    fits = (tissues[:, WHITE] > 0.8) & deep
    return points[fits][0]
