"""From probabilities to masks, and masks put together."""

from __future__ import annotations

from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inference.errors import OperatorContractBroken
from inference.operators.registry import operator
from inference.operators.values import Labels, Mask, Probability

Structures = TypeVar("Structures", Mask, Labels)
"""A mask, or a label map whose labels are each looked at by themselves."""

Label = Annotated[int, Field(ge=1, le=255)]


@operator("threshold", version="1")
def threshold(probability: Probability, *, above: Annotated[float, Field(ge=0, lt=1)] = 0.5) -> Mask:
    """One where the probability exceeds `above`, zero elsewhere."""
    return Mask(probability.with_array((probability.array > above).astype(np.uint8)))


@operator("select-label", version="1")
def select_label(labels: Labels, *, label: Label) -> Mask:
    """One where the label map says `label`."""
    return Mask(labels.with_array((labels.array == label).astype(np.uint8)))


@operator("select-labels", version="1")
def select_labels(labels: Labels, *, labels_wanted: Annotated[list[Label], Field(min_length=1)]) -> Mask:
    """One where the label map says any of `labels_wanted`, such as both lobes of an organ."""
    return Mask(labels.with_array(np.isin(labels.array, labels_wanted).astype(np.uint8)))


@operator("combine", version="1")
def combine(*masks: Mask) -> Mask:
    """One where any of the masks is one. Raises OperatorContractBroken when they do not share one grid."""
    return Mask(masks[0].with_array(np.any(_on_one_grid("combine", *masks), axis=0).astype(np.uint8)))


@operator("intersect", version="1")
def intersect(*masks: Mask) -> Mask:
    """One where all of the masks are one. Raises OperatorContractBroken when they do not share one grid."""
    return Mask(masks[0].with_array(np.all(_on_one_grid("intersect", *masks), axis=0).astype(np.uint8)))


@operator("subtract", version="1")
def subtract(mask: Mask, without: Mask) -> Mask:
    """One where `mask` is one and `without` is not. Raises OperatorContractBroken when they do not share one grid."""
    kept, removed = _on_one_grid("subtract", mask, without)
    return Mask(mask.with_array((kept & ~removed).astype(np.uint8)))


def _on_one_grid(name: str, *masks: Mask) -> NDArray[np.bool_]:
    if not masks or not all(one.geometry_equal(masks[0], tol=1e-3) for one in masks):
        raise OperatorContractBroken(f'{name}: the masks lie on different grids. Bring them on one ("resample-back").')
    return np.stack([one.array > 0 for one in masks])
