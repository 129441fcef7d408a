"""A finding over one image: filled thinly and outlined in its own colours, nothing written on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.writers.contours import rings
from inference.writers.drawing import Colour
from inference.writers.grey import Grey

SIDE = 720
"""Length of a picture's longer side in pixels."""
SMALL_SIDE = 240
"""The same of the small ones that lead to it."""
STROKE = 2
OPACITY = 0.25
QUALITY = 90
"""Of WebP: nothing that a reviewer looks for is lost, at a fifth of the bytes of PNG."""

Pixels = NDArray[np.bool_]


@dataclass(frozen=True)
class Layer:
    """What one structure covers of one image. mask: (rows, columns), as the image."""

    mask: Pixels
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in pixels of the image, from its edges."""

    top: float
    left: float
    bottom: float
    right: float
    colour: Colour


def plain(grey: Grey, *, spacing: tuple[float, float], side: int = SIDE) -> Image.Image:
    """The image in the right proportions, its longer side `side` pixels. spacing: of rows and of columns, in mm."""
    rows, columns = grey.shape
    extent = rows * spacing[0], columns * spacing[1]
    scale = side / max(extent)
    size = max(1, round(extent[1] * scale)), max(1, round(extent[0] * scale))
    return Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR)


def overlaid(
    picture: Image.Image, *, shape: tuple[int, int], layers: Sequence[Layer], boxes: Sequence[Box] = ()
) -> Image.Image:
    """The picture with layers and boxes drawn on it. shape: rows and columns of the image that it shows."""
    drawn = picture.convert("RGB")
    for layer in layers:
        cover = Image.fromarray(layer.mask.astype(np.uint8) * round(255 * OPACITY))
        drawn.paste(layer.colour, mask=cover.resize(drawn.size, Image.Resampling.NEAREST))
    down, across = drawn.height / shape[0], drawn.width / shape[1]
    pen = ImageDraw.Draw(drawn)
    for layer in layers:
        for ring in rings(layer.mask.astype(np.uint8)):
            points = [((column + 0.5) * across, (row + 0.5) * down) for row, column in ring]
            pen.line([*points, points[0]], fill=layer.colour, width=STROKE)
    for box in boxes:
        corners = (box.left * across, box.top * down, box.right * across, box.bottom * down)
        pen.rectangle(corners, outline=box.colour, width=STROKE + 1)
    return drawn


def webp(picture: Image.Image, *, side: int = SIDE) -> bytes:
    """The picture as a WebP file without any metadata, no side longer than `side`."""
    if max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side))
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
