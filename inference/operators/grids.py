"""Volumes turned to another order of axes, and back, without touching a voxel's value."""

from __future__ import annotations

from typing import Annotated, TypeVar

import numpy as np
from highdicom import Volume
from pydantic import Field

from inference.errors import OperatorContractBroken
from inference.operators.registry import operator

AnyVolume = TypeVar("AnyVolume", bound=Volume)
Orientation = Annotated[str, Field(pattern="^[LRAPHFSI]{3}$")]

ALIGNED = 1e-4
"""Largest deviation of a cosine from 1 for two axes to count as one direction."""


@operator("reorient", version="1")
def reorient(volume: AnyVolume, *, orientation: Orientation) -> AnyVolume:
    """The volume with its array axes running towards `orientation`, such as RAH, as nearly as flips and swaps allow."""
    return volume.to_patient_orientation(orientation)


@operator("match-grid", version="1")
def match_grid(volume: AnyVolume, reference: Volume) -> AnyVolume:
    """Turn `volume`, which holds the voxels of `reference` in another order, into the order of `reference`.

    Swaps and flips only. Raises OperatorContractBroken when the two are not the same set of voxels.
    """
    cosines = reference.direction.T @ volume.direction
    order = [int(axis) for axis in np.argmax(np.abs(cosines), axis=1)]
    along = np.array([cosines[row, column] for row, column in enumerate(order)])
    if sorted(order) != [0, 1, 2] or np.any(1 - np.abs(along) > ALIGNED):
        raise OperatorContractBroken("match-grid: the axes of the two volumes are not the same up to order and sign.")
    flipped = [axis for axis, cosine in zip(order, along, strict=True) if cosine < 0]
    matched = (volume.flip_spatial(flipped) if flipped else volume).permute_spatial_axes(order)
    if not matched.geometry_equal(reference, tol=1e-3):
        raise OperatorContractBroken("match-grid: the two volumes do not cover the same voxels.")
    return matched
