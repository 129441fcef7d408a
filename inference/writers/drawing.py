"""Pictures with something drawn over them, and a band of text below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.writers.contours import Ring
from inference.writers.grey import Grey

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
NOTICE_COLOUR: Colour = (255, 214, 0)
BAND: Colour = (24, 24, 24)
FONT_SIZE = 18
LINE = 26
MARGIN = 8
STROKE = 2


@dataclass(frozen=True)
class Line:
    """One line of the band: a text, and the colour of the square before it, if it has one."""

    text: str
    square: Colour | None = None
    colour: Colour = WHITE


def colour_of(text: str) -> Colour:
    """`#rrggbb` as three numbers."""
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


class Canvas:
    """A grey picture, scaled, to draw on in the coordinates of the original: pixel edges, rows before columns."""

    def __init__(self, grey: Grey, *, size: tuple[int, int]) -> None:
        """size: rows and columns of the scaled picture."""
        self._down, self._across = size[0] / grey.shape[0], size[1] / grey.shape[1]
        self._image = Image.fromarray(grey).resize((size[1], size[0]), Image.Resampling.BILINEAR).convert("RGB")
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(FONT_SIZE)

    def outline(self, ring: Ring, colour: Colour) -> None:
        """A closed line through points whose whole numbers are voxel centres."""
        points = [((column + 0.5) * self._across, (row + 0.5) * self._down) for row, column in ring]
        self._draw.line([*points, points[0]], fill=colour, width=STROKE)

    def box(self, *, top: float, left: float, bottom: float, right: float, label: str, colour: Colour) -> None:
        """A rectangle with its label above it, or inside where there is no room above."""
        x, y = left * self._across, top * self._down
        self._draw.rectangle((x, y, right * self._across, bottom * self._down), outline=colour, width=STROKE + 1)
        width = self._draw.textlength(label, self._font) + 2 * MARGIN
        x = max(0, min(x, self._image.width - width))
        y = y - LINE if y >= LINE else y
        self._draw.rectangle((x, y, x + width, y + LINE), fill=BAND)
        self._draw.text((x + MARGIN, y + 2), label, fill=colour, font=self._font)

    def with_band(self, lines: Sequence[Line]) -> NDArray[np.uint8]:
        """The picture with the lines below it, wrapped to its width: (rows, columns, 3)."""
        wrapped = [part for line in lines for part in self._wrap(line)]
        height = self._image.height + LINE * len(wrapped) + 2 * MARGIN
        whole = Image.new("RGB", (self._image.width, height), BAND)
        whole.paste(self._image)
        draw = ImageDraw.Draw(whole)
        for number, line in enumerate(wrapped):
            self._write(draw, line, self._image.height + MARGIN + LINE * number)
        return np.asarray(whole)

    def _write(self, draw: ImageDraw.ImageDraw, line: Line, y: int) -> None:
        x = MARGIN
        if line.square is not None:
            draw.rectangle((x, y + 4, x + FONT_SIZE - 2, y + 2 + FONT_SIZE), fill=line.square)
            x += FONT_SIZE + MARGIN
        draw.text((x, y), line.text, fill=line.colour, font=self._font)

    def _wrap(self, line: Line) -> list[Line]:
        room = self._image.width - 2 * MARGIN - (FONT_SIZE + MARGIN if line.square else 0)
        parts = [""]
        for word in line.text.split():
            longer = f"{parts[-1]} {word}".strip()
            if parts[-1] and self._draw.textlength(longer, self._font) > room:
                parts.append(word)
            else:
                parts[-1] = longer
        first, *rest = parts
        return [Line(first, line.square, line.colour), *(Line(part, None, line.colour) for part in rest)]
