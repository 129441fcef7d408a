"""Which planes of a series a reviewer is shown, and why each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_PROJECTIONS = 8


@dataclass(frozen=True)
class KeyPlane:
    """index: from 0 within the series; caption: what it shows, in words."""

    index: int
    caption: str


def of_volume(areas: NDArray[np.int64]) -> list[KeyPlane]:
    """The largest section of what was found, one nearer each of its ends, and the middle of the series.

    areas: how many pixels the finding covers on each plane. Where it covers none: the middle and both quarters.
    """
    count = len(areas)
    held = np.flatnonzero(areas)
    if not held.size:
        wanted = [(0.5, "middle of the series"), (0.25, "a quarter in"), (0.75, "three quarters in")]
        return _each_once([(int(share * (count - 1) + 0.5), words) for share, words in wanted], count)
    low, high = (int(np.quantile(held, share, method="nearest")) for share in (0.25, 0.75))
    wanted_planes = [
        (int(areas.argmax()), "largest section"),
        (low, "lower part of the finding"),
        (high, "upper part of the finding"),
        (count // 2, "middle of the series"),
    ]
    return _each_once(wanted_planes, count)


def of_projections(count: int) -> list[KeyPlane]:
    """Every image, as far as a page holds them."""
    return [KeyPlane(index, f"Image {index + 1} of {count}") for index in range(min(count, MOST_PROJECTIONS))]


def _each_once(wanted: Sequence[tuple[int, str]], count: int) -> list[KeyPlane]:
    words: dict[int, str] = {}
    for index, what in wanted:
        words.setdefault(index, what)
    return [KeyPlane(index, f"Slice {index + 1} of {count}, {what}") for index, what in words.items()]
