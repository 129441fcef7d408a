"""The operators that pipelines are made of; importing this package registers all of them."""

from inference.operators import (
    baseline,
    components,
    crops,
    deepbet,
    diameters,
    grids,
    intensity,
    loading,
    masks,
    measures,
    mindgrab,
    networks,
    suv,
)
from inference.operators.plugins import load

__all__ = [
    "baseline",
    "components",
    "crops",
    "deepbet",
    "diameters",
    "grids",
    "intensity",
    "loading",
    "masks",
    "measures",
    "mindgrab",
    "networks",
    "suv",
]

load()
