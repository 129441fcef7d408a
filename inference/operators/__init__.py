"""The operators that pipelines are made of; importing this package registers all of them."""

from inference.operators import deepbet, grids, loading, masks, measures

__all__ = ["deepbet", "grids", "loading", "masks", "measures"]
