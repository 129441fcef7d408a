"""Places in radiographs, and what is seen there: detection in a fitted picture, boxes on the original's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydicom import Dataset
from scipy.special import expit, softmax

from inference.backends import Floats, LoadedModel
from inference.errors import NothingFound, OperatorContractBroken
from inference.operators.pictures import Fit, cropped, fitted, stretched
from inference.operators.registry import operator
from inference.operators.values import Box, Boxes, Classification, Radiograph, Radiographs

Corners = NDArray[np.float64]
"""Boxes (..., 4): top, left, bottom, right, in pixels from the upper left corner; bottom and right excluded."""

Part = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[list[str], Field(min_length=1)]
Side = Annotated[int, Field(ge=8, le=4096)]
Size = Annotated[list[Side], Field(min_length=2, max_length=2)]

MODEL_FILE = "model.pt"


@operator("detect-boxes", version="1")
def detect_boxes(
    images: Radiographs,
    *,
    model: LoadedModel,
    size: Size,
    kinds: Names,
    above: Part = 0.3,
    overlap: Part = 0.3,
    most: Annotated[int, Field(ge=1)] = 100,
    network: str = MODEL_FILE,
) -> Boxes:
    """Things of the given kinds in each image, at most `most` of a kind in an image, more probable than `above`.

    size: rows and columns of the picture that the network takes; the whole image is fitted into it without distortion
    and stretched from its 1st to its 99th percentile. The network answers (N, kinds + 4, cells, cells): a logit of each
    kind, then the distances in pixels from a cell's centre to the top, left, bottom and right of the thing there. Of
    boxes that overlap (intersection over union) by more than `overlap`, the most probable is kept.
    region and finding of a box are its kind. Raises NothingFound when there is nothing in any image.
    """
    fits = [fitted(image.pixels, (size[0], size[1])) for image in images.images]
    batch = np.stack([stretched(picture) for picture, _ in fits])[:, None]
    answers = model.predict(network, batch)
    if answers.ndim != 4 or answers.shape[:2] != (len(batch), len(kinds) + 4):
        raise OperatorContractBroken(
            f"detect-boxes: the network answered with the shape {answers.shape}, expected ({len(batch)}, "
            f"{len(kinds) + 4}, cells, cells). Correct the number of kinds, or take another model."
        )
    found: list[Box] = []
    for image, (_, fit), answer in zip(images.images, fits, answers, strict=True):
        for index, kind in enumerate(kinds):
            chances, corners = _decoded(answer[index], answer[len(kinds) :], stride=size[0] / answer.shape[1])
            kept = suppressed(corners, chances, overlap=overlap, above=above)[:most]
            found += [_box(image, fit, kind, float(chances[one]), corners[one]) for one in kept]
    if not found:
        raise NothingFound(
            f"The model found no {' and no '.join(kinds)} in the image. Check that it shows the right part."
        )
    return Boxes(tuple(found))


@operator("name-sides", version="1")
def name_sides(boxes: Boxes, images: Radiographs) -> Boxes:
    """Each box's region with the patient's side before it: `hip` becomes `left hip` or `right hip`.

    The side follows from PatientOrientation; without one, from the rule that frontal views are shown as if facing the
    patient, whose left is on the image's right. An image of one side by Laterality holds that side alone. The middle
    lies between the boxes, or in the middle of the image when there is one box. Of several boxes of one region on one
    side, the most probable is kept.
    """
    named: list[Box] = []
    for image in images.images:
        of_image = [box for box in boxes.boxes if box.sop_instance_uid == image.sop_instance_uid]
        for region in dict.fromkeys(box.region for box in of_image):
            named += _sided(image, [box for box in of_image if box.region == region])
    return Boxes(tuple(named))


@operator("classify-boxes", version="1")
def classify_boxes(
    boxes: Boxes,
    images: Radiographs,
    *,
    model: LoadedModel,
    findings: Names,
    size: Side,
    around: Annotated[float, Field(ge=1, le=4)] = 1.0,
    network: str = MODEL_FILE,
) -> Boxes:
    """Each box with what the network sees in it: one of `findings`, with the probability of each.

    Cuts a square about the box's centre, `around` times as long as its longer side, to (size, size), stretched from its
    1st to its 99th percentile. The network answers with a logit of each finding; softmax makes them probabilities.
    """
    if not boxes.boxes:
        return boxes
    by_uid = {image.sop_instance_uid: image for image in images.images}
    squares = [_square(by_uid[box.sop_instance_uid], box, size=size, around=around) for box in boxes.boxes]
    chances = softmax(_logits(model, network, np.stack(squares)[:, None], findings), axis=1)
    return Boxes(tuple(_judged(box, findings, row) for box, row in zip(boxes.boxes, chances, strict=True)))


@operator("classify-radiograph", version="1")
def classify_radiograph(
    images: Radiographs,
    *,
    model: LoadedModel,
    classes: Names,
    size: Size,
    together: Literal["exclusive", "independent"],
    network: str = MODEL_FILE,
) -> Classification:
    """What the network sees in the images as a whole, with the probability of each class.

    Each image is fitted into `size`, stretched as for `detect-boxes`, and answered with a logit of each class.
    exclusive: one class holds (softmax; the mean over the images). independent: any number of classes may hold (sigmoid
    of each; the highest over the images).
    """
    pictures = [stretched(fitted(image.pixels, (size[0], size[1]))[0]) for image in images.images]
    logits = _logits(model, network, np.stack(pictures)[:, None], classes)
    chances = softmax(logits, axis=1).mean(axis=0) if together == "exclusive" else expit(logits).max(axis=0)
    return Classification(
        label=classes[int(chances.argmax())],
        probabilities={name: float(chance) for name, chance in zip(classes, chances, strict=True)},
        sop_instance_uids=tuple(image.sop_instance_uid for image in images.images),
    )


def intersection_over_union(first: Corners, second: Corners) -> NDArray[np.float64]:
    """How much boxes overlap, 0 to 1; arrays (..., 4) that broadcast. Boxes without an area overlap nothing."""
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), axis=-1) for box in (first, second)]
    union = areas[0] + areas[1] - shared
    return np.asarray(np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0))


def suppressed(corners: Corners, chances: Floats, *, overlap: float, above: float) -> list[int]:
    """Non-maximum suppression: indices of the boxes to keep, most probable first.

    A box is dropped when it is not more probable than `above`, or overlaps a kept one by more than `overlap`.
    """
    kept: list[int] = []
    for index in np.argsort(-chances, kind="stable"):
        if chances[index] <= above:
            break
        if not kept or intersection_over_union(corners[index], corners[kept]).max() <= overlap:
            kept.append(int(index))
    return kept


def _decoded(heat: Floats, sides: Floats, *, stride: float) -> tuple[Floats, Corners]:
    """Probability and box, in pixels of the network's picture, of every cell: (cells,) and (cells, 4)."""
    rows, columns = np.meshgrid(np.arange(heat.shape[0]) + 0.5, np.arange(heat.shape[1]) + 0.5, indexing="ij")
    down, across = rows * stride, columns * stride
    corners = np.stack([down - sides[0], across - sides[1], down + sides[2], across + sides[3]], axis=-1)
    return expit(heat).reshape(-1), corners.reshape(-1, 4).astype(np.float64)


def _box(image: Radiograph, fit: Fit, kind: str, chance: float, corners: Corners) -> Box:
    rows, columns = image.pixels.shape
    top, left = fit.to_original(corners[0], corners[1])
    bottom, right = fit.to_original(corners[2], corners[3])
    return Box(
        region=kind,
        finding=kind,
        probability=chance,
        probabilities={kind: chance},
        top=float(np.clip(top, 0, rows)),
        left=float(np.clip(left, 0, columns)),
        bottom=float(np.clip(bottom, 0, rows)),
        right=float(np.clip(right, 0, columns)),
        sop_instance_uid=image.sop_instance_uid,
    )


def _sided(image: Radiograph, boxes: Sequence[Box]) -> list[Box]:
    """The most probable box of each side, the patient's right first."""
    centres = [(box.left + box.right) / 2 for box in boxes]
    middle = (min(centres) + max(centres)) / 2 if len(boxes) > 1 else image.pixels.shape[1] / 2
    best: dict[str, Box] = {}
    for box, centre in sorted(zip(boxes, centres, strict=True), key=lambda pair: -pair[0].probability):
        best.setdefault(_side(image.instance, is_right_half=centre > middle), box)
    return [replace(best[side], region=f"{side} {best[side].region}") for side in ("right", "left") if side in best]


def _side(instance: Dataset, *, is_right_half: bool) -> str:
    alone = instance.get("ImageLaterality") or instance.get("Laterality")
    if alone in ("L", "R"):
        return "left" if alone == "L" else "right"
    along_rows = str((instance.get("PatientOrientation") or ["L"])[0])
    left_is_right = not along_rows.startswith("R")
    return "left" if is_right_half == left_is_right else "right"


def _square(image: Radiograph, box: Box, *, size: int, around: float) -> Floats:
    side = around * max(box.bottom - box.top, box.right - box.left)
    top, left = (box.top + box.bottom - side) / 2, (box.left + box.right - side) / 2
    return stretched(cropped(image.pixels, top=top, left=left, side=side, size=size))


def _logits(model: LoadedModel, network: str, batch: Floats, names: Sequence[str]) -> Floats:
    logits = model.predict(network, np.ascontiguousarray(batch, dtype=np.float32))
    if logits.shape != (len(batch), len(names)):
        raise OperatorContractBroken(
            f"The network answered with the shape {logits.shape}, expected ({len(batch)}, {len(names)}): one logit for "
            f"each of {', '.join(names)}. Correct the names, or take another model."
        )
    return logits


def _judged(box: Box, findings: Sequence[str], chances: Floats) -> Box:
    best = int(chances.argmax())
    return replace(
        box,
        finding=findings[best],
        probability=float(chances[best]),
        probabilities={name: float(chance) for name, chance in zip(findings, chances, strict=True)},
    )
