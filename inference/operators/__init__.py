"""The operators that pipelines are made of; importing this package registers all of them, and those of packages."""

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
    packages,
    suv,
)

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
    "packages",
    "suv",
]

packages.load()
