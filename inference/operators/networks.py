"""Networks on volumes: segmentation of those larger than a network can take at once, and classes of whole ones.

The method is that of MONAI's `sliding_window_inference` (Apache-2.0), mode "gaussian": windows at fixed steps, the last
one moved back inside, every answer weighted by a Gaussian about its window's centre. It is written here for arrays,
because importing MONAI takes longer than a small network takes to answer; the tests hold it to MONAI's own numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated

import numpy as np
from pydantic import Field

from inference.backends import Floats, LoadedModel
from inference.errors import OperatorContractBroken
from inference.operators.registry import operator
from inference.operators.values import (
    CLASS_CHANNEL,
    Classification,
    Image,
    Labels,
    Probability,
    Scores,
    SourceSeries,
)

Size = Annotated[int, Field(ge=1)]
Window = Annotated[tuple[Size, Size, Size], Field(strict=False)]
"""Voxels of a window along each array axis."""
Overlap = Annotated[float, Field(ge=0, lt=1)]

SIGMA = 0.125
"""Spread of the Gaussian as a part of the window, as in MONAI."""
LEAST = 1e-3
"""Least weight of a voxel, as in MONAI: a corner that only one window sees must not vanish."""


@operator("sliding-window", version="1")
def sliding_window(
    image: Image,
    *,
    model: LoadedModel,
    network: str = "model.pt",
    window: Window,
    overlap: Overlap = 0.25,
    batch: Size = 1,
) -> Scores:
    """Probabilities of the classes in every voxel: the network's logits, blended over windows, then softmax.

    network: the model's file, (N, 1, I, J, K) in, (N, classes, I, J, K) out; batch: windows per call. A volume smaller
    than the window is padded with 0. Raises OperatorContractBroken when the network gives another shape or numbers
    that are not finite.
    """
    logits = blended(image.array, _Network(model, network), window=window, overlap=overlap, batch=batch)
    if len(logits) < 2:
        raise OperatorContractBroken(
            f'The network "{network}" gives one value a voxel. Use the operator "sliding-window-probability" for it.'
        )
    logits -= logits.max(axis=0)
    scores = np.exp(logits, out=logits)
    scores /= scores.sum(axis=0)
    return Scores(image.with_array(np.moveaxis(scores, 0, -1), channels={CLASS_CHANNEL: list(range(len(scores)))}))


@operator("sliding-window-probability", version="1")
def sliding_window_probability(
    image: Image,
    *,
    model: LoadedModel,
    network: str = "model.pt",
    window: Window,
    overlap: Overlap = 0.25,
    batch: Size = 1,
) -> Probability:
    """As `sliding-window`, for a network with one logit a voxel: blended over windows, then the logistic function."""
    logits = blended(image.array, _Network(model, network), window=window, overlap=overlap, batch=batch)
    if len(logits) != 1:
        raise OperatorContractBroken(
            f'The network "{network}" gives {len(logits)} values a voxel, not one. Use the operator "sliding-window".'
        )
    # As tanh, which cannot overflow.
    return Probability(image.with_array(0.5 * (1 + np.tanh(0.5 * logits[0]))))


@operator("arg-max", version="1")
def arg_max(scores: Scores) -> Labels:
    """The number of the most probable class in each voxel; of equal ones the lower."""
    return Labels(scores.with_array(_best(scores.array), channels={}))


@operator("classify-volume", version="1")
def classify_volume(
    image: Image,
    series: SourceSeries,
    *,
    model: LoadedModel,
    network: str = "model.pt",
    classes: Annotated[list[str], Field(min_length=2)],
) -> Classification:
    """Probabilities of named classes for a whole volume: softmax of the network's logits, in the order of `classes`.

    network: (1, 1, I, J, K) in, (1, classes) out; give the image the shape it was trained on (`fit-shape`).
    series: what the image was made from, named in the result. Raises OperatorContractBroken when the network gives
    another number of values, or some that are not finite.
    """
    logits = model.predict(network, np.ascontiguousarray(image.array, dtype=np.float32)[None, None])
    if logits.shape != (1, len(classes)) or not np.isfinite(logits).all():
        raise OperatorContractBroken(
            f'The network "{network}" answered {logits.shape} where {(1, len(classes))} finite numbers are expected, '
            "one for each class. Correct the model or the pipeline's classes."
        )
    odds = np.exp(logits[0] - logits.max())
    probabilities = dict(zip(classes, (odds / odds.sum()).tolist(), strict=True))
    uids = tuple(str(one.SOPInstanceUID) for one in series.instances)
    return Classification(max(probabilities, key=probabilities.__getitem__), probabilities, uids)


class _Network:
    """One network of a model, whose answers are checked before anything is made of them."""

    def __init__(self, model: LoadedModel, name: str) -> None:
        self._model = model
        self._name = name

    def __call__(self, windows: Floats) -> Floats:
        """Logits (N, classes, I, J, K) for windows (N, 1, I, J, K)."""
        logits = self._model.predict(self._name, windows)
        if logits.ndim != windows.ndim or (len(logits), *logits.shape[2:]) != (len(windows), *windows.shape[2:]):
            raise OperatorContractBroken(
                f'The network "{self._name}" was given {windows.shape} and answered {logits.shape}; a segmentation '
                "network answers (N, classes) on the same voxels. Correct the model or the pipeline's window."
            )
        if not np.isfinite(logits).all():
            raise OperatorContractBroken(
                f'The network "{self._name}" answered with values that are not numbers (NaN or infinite). '
                "The model is broken, or not made for such intensities."
            )
        return logits


def blended(array: Floats, network: _Network, *, window: Window, overlap: float, batch: int) -> Floats:
    """The network's logits for a whole volume (I, J, K), as (classes, I, J, K) float32."""
    padded, inside = _padded(array.astype(np.float32, copy=False), window)
    weights = importance(window)
    total, weight = None, np.zeros(padded.shape, dtype=np.float32)
    for places in _batches(list(_places(padded.shape, window, overlap)), batch):
        logits = network(np.stack([padded[place] for place in places])[:, None])
        if total is None:
            total = np.zeros((logits.shape[1], *padded.shape), dtype=np.float32)
        for place, answer in zip(places, logits, strict=True):
            total[(slice(None), *place)] += answer * weights
            weight[place] += weights
    assert total is not None, "a volume has at least one window"
    total /= weight
    return np.ascontiguousarray(total[(slice(None), *inside)])


def importance(window: Window) -> Floats:
    """Weights of a window's voxels: a Gaussian about its centre, nowhere less than LEAST."""
    weights = np.ones((1, 1, 1), dtype=np.float32)
    for axis, size in enumerate(window):
        offsets = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        one = np.exp(-(offsets**2) / np.float32(2 * (SIGMA * size) ** 2))
        weights = weights * np.expand_dims(one, tuple(other for other in range(3) if other != axis))
    return np.maximum(weights, max(float(weights.min()), LEAST)).astype(np.float32)


def _padded(array: Floats, window: Window) -> tuple[Floats, tuple[slice, ...]]:
    lacking = [max(0, wanted - size) for wanted, size in zip(window, array.shape, strict=True)]
    widths = [(lack // 2, lack - lack // 2) for lack in lacking]
    inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, array.shape, strict=True))
    return (np.pad(array, widths) if any(lacking) else array), inside


def _places(shape: tuple[int, ...], window: Window, overlap: float) -> Iterator[tuple[slice, ...]]:
    starts = [list(_starts(size, wide, overlap)) for size, wide in zip(shape, window, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(start, start + wide) for start, wide in zip(corner, window, strict=True))


def _starts(size: int, wide: int, overlap: float) -> Iterator[int]:
    step = max(1, int(wide * (1 - overlap)))
    start = 0
    while start + wide < size:
        yield start
        start += step
    yield size - wide


def _batches(places: list[tuple[slice, ...]], batch: int) -> Iterator[list[tuple[slice, ...]]]:
    for first in range(0, len(places), batch):
        yield places[first : first + batch]


def _best(scores: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    # Class by class: the classes lie far apart in memory, and numpy's own argmax goes from voxel to voxel.
    best = scores[..., 0].copy()
    labels = np.zeros(best.shape, dtype=np.uint8)
    for number in range(1, scores.shape[-1]):
        candidate = scores[..., number]
        labels[candidate > best] = number
        np.maximum(best, candidate, out=best)
    return labels
