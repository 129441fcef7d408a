"""The operators that pipelines are made of; importing this package registers all of them, and those of packages."""

from inference.operators import (
    baseline,
    components,
    course,
    crops,
    deepbet,
    detection,
    diameters,
    grids,
    intensity,
    loading,
    masks,
    measures,
    mindgrab,
    networks,
    packages,
    radiographs,
    registration,
    suv,
)

__all__ = [
    "baseline",
    "components",
    "course",
    "crops",
    "deepbet",
    "detection",
    "diameters",
    "grids",
    "intensity",
    "loading",
    "masks",
    "measures",
    "mindgrab",
    "networks",
    "packages",
    "radiographs",
    "registration",
    "suv",
]

packages.load()
