"""The box around what is chosen in a volume: most of a volume is none of a structure's, and need not be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, ...]


def box_of(chosen: NDArray[np.bool_]) -> Box:
    """The smallest box that holds every chosen element, a slice for each axis; empty slices where none is chosen."""
    return tuple(_along(chosen, axis) for axis in range(chosen.ndim))


def _along(chosen: NDArray[np.bool_], axis: int) -> slice:
    others = tuple(other for other in range(chosen.ndim) if other != axis)
    planes = np.flatnonzero(chosen.any(axis=others))
    return slice(int(planes[0]), int(planes[-1]) + 1) if planes.size else slice(0, 0)
