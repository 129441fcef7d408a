"""From depths of tissue to a radiograph: Beer and Lambert's law, scatter, quanta, the detector, and processing.

Attenuation per mm at about 75 kVp: 0.019 for soft tissue, 0.05 for compact bone and 0.012 for spongy bone beyond the
soft tissue that they replace, 0.6 for metal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.training.xray.shapes import Plane, Tissue

SOFT, COMPACT, SPONGY, METAL = 0.019, 0.050, 0.012, 0.6


@dataclass(frozen=True)
class Exposure:
    """How an image was taken and processed.

    quanta: per pixel without a patient; scatter: scattered over primary radiation; reach: of scatter, mm; blur: of
    focus and detector, mm; low, high: quantiles of the logarithmic image that become black and white; gamma; edge:
    part of the fine detail that is added once more.
    """

    quanta: float
    scatter: float
    reach: float
    blur: float
    low: float
    high: float
    gamma: float
    edge: float


def some_exposure(rng: np.random.Generator) -> Exposure:
    """An exposure of an ordinary examination room on an ordinary day."""
    return Exposure(
        quanta=10 ** rng.uniform(4.0, 5.3),
        scatter=rng.uniform(0.05, 0.6),
        reach=rng.uniform(20, 50),
        blur=rng.uniform(0.2, 0.9),
        low=rng.uniform(0.002, 0.06),
        high=rng.uniform(0.95, 0.9995),
        gamma=rng.uniform(0.7, 1.5),
        edge=rng.uniform(0.0, 0.8),
    )


def attenuation(bones: Tissue, soft: Plane) -> Plane:
    """The exponent of Beer and Lambert's law for each ray."""
    total: Plane = SOFT * soft + COMPACT * bones.compact + SPONGY * bones.spongy + METAL * bones.metal
    return total


def expose(exponent: Plane, exposure: Exposure, *, spacing: float, rng: np.random.Generator) -> Plane:
    """The image as displayed, 0 (black) to 1 (white), from the exponent of each ray. spacing: mm per pixel."""
    primary = ndimage.gaussian_filter(np.exp(-exponent), exposure.blur / spacing)
    primary += exposure.scatter * _spread(primary, exposure.reach / spacing)
    signal = rng.normal(primary, np.sqrt(primary / exposure.quanta)).astype(np.float32)
    image = -np.log(np.maximum(signal, 1e-6))
    if exposure.edge:
        image = image + exposure.edge * (image - ndimage.gaussian_filter(image, 3.0 / spacing))
    low, high = np.quantile(image[::2, ::2], (exposure.low, exposure.high))
    shown = np.clip((image - low) / max(high - low, 1e-6), 0, 1) ** exposure.gamma
    return np.asarray(shown, dtype=np.float32)


def collimated(image: Plane, rng: np.random.Generator) -> Plane:
    """The image with the collimator's blades shown as black borders, for some images."""
    if rng.random() < 0.5:
        return image
    rows, columns = image.shape
    top, bottom = (int(rng.uniform(0, 0.07) * rows) for _ in range(2))
    left, right = (int(rng.uniform(0, 0.07) * columns) for _ in range(2))
    dark = np.full_like(image, rng.uniform(0, 0.1))
    dark[top : rows - bottom, left : columns - right] = image[top : rows - bottom, left : columns - right]
    return dark


def marked(image: Plane, rng: np.random.Generator, *, spacing: float) -> Plane:
    """The image with a lead letter near one of its corners, for most images."""
    if rng.random() < 0.2:
        return image
    side = max(3, int(rng.uniform(10, 18) / spacing))
    rows, columns = image.shape
    if min(rows, columns) < 4 * side:
        return image
    top = int(rng.uniform(0.02, 0.2) * rows) if rng.random() < 0.6 else int(rng.uniform(0.75, 0.9) * rows) - side
    left = (
        int(rng.uniform(0.02, 0.12) * columns) if rng.random() < 0.5 else int(rng.uniform(0.85, 0.95) * columns) - side
    )
    letter = np.zeros((side, side), dtype=np.bool_)
    stroke = max(1, side // 5)
    letter[:, :stroke] = True
    letter[-stroke:, :] = True
    if rng.random() < 0.5:  # an R is drawn as a box over two legs, an L needs no more than its two strokes
        letter[:stroke] = letter[side // 2 : side // 2 + stroke] = letter[: side // 2, -stroke:] = True
        letter[-stroke:, stroke:-stroke] = False
    patch = image[top : top + side, left : left + side]
    patch[letter[: patch.shape[0], : patch.shape[1]]] = 1.0
    return image


def _spread(primary: Plane, sigma: float) -> Plane:
    """A wide blur, made on a coarse grid because nothing fine is left in it."""
    step = max(1, int(sigma // 3))
    small = ndimage.uniform_filter(primary, step)[::step, ::step]
    blurred = ndimage.gaussian_filter(small, sigma / step)
    zoomed = ndimage.zoom(blurred, (primary.shape[0] / blurred.shape[0], primary.shape[1] / blurred.shape[1]), order=1)
    return np.asarray(zoomed[: primary.shape[0], : primary.shape[1]], dtype=np.float32)
