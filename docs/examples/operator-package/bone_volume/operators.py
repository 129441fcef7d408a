"""The operators of Bone volume."""

import numpy as np

from inference.operators.registry import operator
from inference.operators.units import Hounsfield
from inference.operators.values import Image, Mask


@operator("bone-volume-mask", version="1")
def brighter_than(image: Image, *, above: Hounsfield) -> Mask:
    """One where the CT number exceeds `above`, zero elsewhere.

    image: (slices, rows, columns) float32 in HU; the mask lies on the same grid.
    """
    return Mask(image.with_array((image.array > above).astype(np.uint8)))
