"""How far two masks overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Voxels = NDArray[np.bool_] | NDArray[np.integer[Any]]


def dice(first: Voxels, second: Voxels) -> float | None:
    """2 |A and B| / (|A| + |B|), 0 to 1, of two arrays of one shape, in which what is not zero counts; Dice 1945.

    None where both are empty: then there is nothing of which they could hold the same part.
    """
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    both = int(np.count_nonzero((first != 0) & (second != 0)))
    return 2 * both / total if total else None
