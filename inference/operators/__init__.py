"""The operators that pipelines are made of; importing this package registers all of them."""

from inference.operators import (
    components,
    crops,
    deepbet,
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
    "components",
    "crops",
    "deepbet",
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
