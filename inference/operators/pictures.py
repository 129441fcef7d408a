"""Pictures of one size for networks: shrunk with care, stretched to their own range, and the way back to the original.

Training uses these very functions, so that a network never sees other pictures than it learned from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.float32]
Size = tuple[int, int]

DARKEST, BRIGHTEST = 0.01, 0.99
"""Quantiles of a picture that become 0 and 1."""


@dataclass(frozen=True)
class Fit:
    """How a picture was fitted into a frame.

    down, across: original pixels per pixel of the frame, equal but for the rounding of its size to whole pixels;
    top, left: pixels of the frame before the picture.
    """

    down: float
    across: float
    top: int
    left: int

    def to_original(self, row: float, column: float) -> tuple[float, float]:
        """A position in the frame (pixel edges, not centres) in pixels of the original."""
        return (row - self.top) * self.down, (column - self.left) * self.across


def fitted(picture: Picture, size: Size) -> tuple[Picture, Fit]:
    """The whole picture in a frame of `size` (rows, columns), centred, with black around it."""
    rows, columns = picture.shape
    scale = max(rows / size[0], columns / size[1])
    inner = max(1, round(rows / scale)), max(1, round(columns / scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    below, right = size[0] - inner[0] - top, size[1] - inner[1] - left
    framed = np.pad(resized(picture, inner), ((top, below), (left, right)))
    return framed, Fit(down=rows / inner[0], across=columns / inner[1], top=top, left=left)


def cropped(picture: Picture, *, top: float, left: float, side: float, size: int) -> Picture:
    """A square of `side` pixels from the picture as (size, size); what lies beyond the picture repeats its edge."""
    rows, columns = picture.shape
    first_row, first_column = round(top), round(left)
    count = max(1, round(side))
    row_indices = np.clip(np.arange(first_row, first_row + count), 0, rows - 1)
    column_indices = np.clip(np.arange(first_column, first_column + count), 0, columns - 1)
    return resized(picture[np.ix_(row_indices, column_indices)], (size, size))


def resized(picture: Picture, size: Size) -> Picture:
    """The picture as (rows, columns) of `size`: a mean over what each pixel covers when it shrinks, else linear."""
    given = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    shrinks = picture.shape[0] >= size[0] and picture.shape[1] >= size[1]
    resampling = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(given.resize((size[1], size[0]), resampling), dtype=np.float32)


def stretched(picture: Picture) -> Picture:
    """The picture with its DARKEST quantile at 0 and its BRIGHTEST at 1, clipped; a blank one becomes all 0."""
    low, high = np.quantile(picture, (DARKEST, BRIGHTEST))
    if high <= low:
        return np.zeros_like(picture)
    unit: Picture = np.clip((picture - np.float32(low)) / np.float32(high - low), 0, 1)
    return unit
