"""Boxes found in a small picture and brought back to the original's pixels, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends import Floats
from inference.errors import NothingFound, OperatorContractBroken
from inference.operators.detection import (
    classify_boxes,
    classify_radiograph,
    detect_boxes,
    intersection_over_union,
    name_sides,
    suppressed,
)
from inference.operators.pictures import cropped, fitted, resized, stretched
from inference.operators.values import Box, Boxes
from tests.inference.operators.projections import radiographs

SURE, NEVER = 6.0, -20.0


class Answers:
    """Stands where a model stands: gives what it was told to, and remembers what it was shown."""

    def __init__(self, answer: Callable[[Floats], Floats]) -> None:
        self._answer = answer
        self.shown: list[Floats] = []

    def predict(self, network: str, batch: Floats) -> Floats:
        assert network == "model.pt"
        self.shown.append(batch)
        return self._answer(batch)


def finding(*places: tuple[int, int, float], sides: tuple[float, float, float, float]) -> Answers:
    """A detector of one kind on 32 x 32 pixels, 4 x 4 cells: (row, column, logit) of the cells that say yes."""

    def answer(batch: Floats) -> Floats:
        maps = np.full((len(batch), 5, 4, 4), NEVER, dtype=np.float32)
        for row, column, logit in places:
            maps[:, 0, row, column] = logit
        maps[:, 1:] = np.array(sides, dtype=np.float32)[:, None, None]
        return maps

    return Answers(answer)


def box(**fields: Any) -> Box:
    plain: dict[str, Any] = {
        "region": "hip",
        "finding": "hip",
        "probability": 0.9,
        "probabilities": {"hip": 0.9},
        "top": 0.0,
        "left": 0.0,
        "bottom": 10.0,
        "right": 10.0,
        "sop_instance_uid": radiographs(np.zeros((2, 2))).images[0].sop_instance_uid,
    }
    return Box(**{**plain, **fields})


def edges(found: Box) -> tuple[float, float, float, float]:
    return found.top, found.left, found.bottom, found.right


def test_a_box_lies_on_the_originals_pixels_to_the_last_of_them() -> None:
    # 64 x 32 pixels go into 32 x 32 at half size, so 16 columns with 8 of black on either side.
    images = radiographs(np.random.default_rng(0).random((64, 32)))
    found = detect_boxes(images, model=finding((1, 1, SURE), sides=(4, 4, 6, 2)), size=[32, 32], kinds=["hip"])
    # The cell's centre is (12, 12) in the small picture: top 8, left 8, bottom 18, right 14.
    assert edges(found.boxes[0]) == (16.0, 0.0, 36.0, 12.0)
    assert found.boxes[0].sop_instance_uid == images.images[0].sop_instance_uid
    assert found.boxes[0].probability == pytest.approx(1 / (1 + np.exp(-SURE)))


def test_boxes_end_where_the_image_ends() -> None:
    images = radiographs(np.random.default_rng(0).random((64, 64)))
    found = detect_boxes(images, model=finding((0, 3, SURE), sides=(90, 8, 8, 90)), size=[32, 32], kinds=["hip"])
    assert edges(found.boxes[0]) == (0.0, 40.0, 24.0, 64.0)


def test_of_overlapping_boxes_the_most_probable_is_kept_and_never_more_than_asked() -> None:
    images = radiographs(np.random.default_rng(0).random((32, 32)))
    model = finding((0, 0, 2.0), (0, 1, SURE), (3, 3, 1.0), (3, 0, 3.0), sides=(8, 8, 8, 8))
    chances = [one.probability for one in detect_boxes(images, model=model, size=[32, 32], kinds=["hip"]).boxes]
    assert chances == pytest.approx([1 / (1 + np.exp(-logit)) for logit in (SURE, 3.0, 1.0)])
    assert len(detect_boxes(images, model=model, size=[32, 32], kinds=["hip"], most=2).boxes) == 2


def test_nothing_found_is_said_in_words() -> None:
    images = radiographs(np.random.default_rng(0).random((32, 32)))
    with pytest.raises(NothingFound, match="found no hip in the image"):
        detect_boxes(images, model=finding(sides=(1, 1, 1, 1)), size=[32, 32], kinds=["hip"])


def test_a_network_of_other_kinds_is_refused() -> None:
    images = radiographs(np.random.default_rng(0).random((32, 32)))
    with pytest.raises(OperatorContractBroken, match="kinds"):
        detect_boxes(images, model=finding(sides=(1, 1, 1, 1)), size=[32, 32], kinds=["hip", "knee"])


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (0, 5, 10, 15), 1 / 3),
        ((0, 0, 10, 10), (10, 10, 20, 20), 0.0),
        ((0, 0, 10, 10), (2, 2, 4, 4), 0.04),
        ((0, 0, 0, 10), (0, 0, 0, 10), 0.0),
        ((0, 0, 10, 10), (8, 8, 2, 2), 0.0),
    ],
)
def test_intersection_over_union(first: tuple[int, ...], second: tuple[int, ...], wanted: float) -> None:
    assert intersection_over_union(np.array(first, float), np.array(second, float)) == pytest.approx(wanted)


def test_suppression_drops_the_less_probable_and_the_improbable() -> None:
    corners = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30], [40, 40, 50, 50]], dtype=float)
    chances = np.array([0.8, 0.9, 0.5, 0.2], dtype=np.float32)
    assert suppressed(corners, chances, overlap=0.5, above=0.3) == [1, 2]
    assert suppressed(corners, chances, overlap=0.99, above=0.1) == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("attributes", "regions"),
    [
        ({}, ["right hip", "left hip"]),
        ({"PatientOrientation": ["L", "F"]}, ["right hip", "left hip"]),
        ({"PatientOrientation": ["R", "F"]}, ["left hip", "right hip"]),
    ],
)
def test_the_patients_left_is_on_the_images_right_unless_it_says_otherwise(
    attributes: dict[str, Any], regions: list[str]
) -> None:
    images = radiographs(np.zeros((20, 100)), **attributes)
    pair = Boxes((box(left=60.0, right=80.0), box(left=5.0, right=25.0)))
    by_place = sorted(name_sides(pair, images).boxes, key=lambda one: one.left)
    assert [one.region for one in by_place] == regions


def test_sides_are_told_from_each_other_even_when_the_image_is_off_centre() -> None:
    images = radiographs(np.zeros((20, 400)))
    pair = Boxes((box(left=10.0, right=30.0), box(left=100.0, right=120.0)))
    assert [one.region for one in name_sides(pair, images).boxes] == ["right hip", "left hip"]


def test_one_box_is_named_by_its_half_or_by_the_images_laterality() -> None:
    alone = Boxes((box(left=60.0, right=80.0),))
    assert name_sides(alone, radiographs(np.zeros((20, 100)))).boxes[0].region == "left hip"
    right = radiographs(np.zeros((20, 100)), ImageLaterality="R")
    assert name_sides(alone, right).boxes[0].region == "right hip"


def test_of_two_boxes_on_one_side_the_more_probable_is_kept() -> None:
    images = radiographs(np.zeros((20, 100)))
    three = Boxes((box(left=0.0, probability=0.5), box(left=4.0, probability=0.7), box(left=80.0, right=90.0)))
    named = name_sides(three, images).boxes
    assert [(one.region, one.left) for one in named] == [("right hip", 4.0), ("left hip", 80.0)]


def test_a_box_is_judged_by_its_own_pixels() -> None:
    picture = np.zeros((40, 80), dtype=np.float32)
    picture[:, 40:] = np.linspace(0, 1, 40)[:, None]
    images = radiographs(picture)
    bright_if_varied = Answers(
        lambda batch: np.stack([np.zeros(len(batch)), 50 * batch.std(axis=(1, 2, 3)) - 1], axis=1)
    )
    pair = Boxes((box(top=10.0, left=5.0, bottom=30.0, right=25.0), box(top=10.0, left=55.0, bottom=30.0, right=75.0)))
    judged = classify_boxes(pair, images, model=bright_if_varied, findings=["normal", "fracture"], size=16).boxes
    assert [one.finding for one in judged] == ["normal", "fracture"]
    assert judged[1].probability == judged[1].probabilities["fracture"] > 0.99
    assert sum(judged[0].probabilities.values()) == pytest.approx(1)
    assert [edges(one) for one in judged] == [edges(one) for one in pair.boxes]
    assert bright_if_varied.shown[0].shape == (2, 1, 16, 16)


def test_exclusive_classes_add_up_and_independent_ones_take_the_highest_of_the_images() -> None:
    images = radiographs(*np.random.default_rng(0).random((2, 20, 20)))
    logits = np.array([[0.0, 3.0], [1.0, -1.0]], dtype=np.float32)
    model = Answers(lambda _batch: logits)
    names = ["normal", "nodule"]
    together = classify_radiograph(images, model=model, classes=names, size=[16, 16], together="exclusive")
    assert sum(together.probabilities.values()) == pytest.approx(1)
    assert together.label == "nodule"
    assert len(together.sop_instance_uids) == 2
    apart = classify_radiograph(images, model=model, classes=names, size=[16, 16], together="independent")
    assert apart.probabilities == pytest.approx({"normal": 1 / (1 + np.exp(-1)), "nodule": 1 / (1 + np.exp(-3))})


def test_a_network_of_other_classes_is_refused() -> None:
    images = radiographs(np.random.default_rng(0).random((20, 20)))
    model = Answers(lambda batch: np.zeros((len(batch), 3), dtype=np.float32))
    with pytest.raises(OperatorContractBroken, match=r"expected \(1, 2\)"):
        classify_radiograph(images, model=model, classes=["a", "b"], size=[16, 16], together="exclusive")


@given(rows=st.integers(8, 300), columns=st.integers(8, 300))
def test_the_fitted_picture_covers_the_original_from_edge_to_edge(rows: int, columns: int) -> None:
    framed, fit = fitted(np.ones((rows, columns), dtype=np.float32), (64, 48))
    covered = np.nonzero(framed)
    first, last = [axis.min() for axis in covered], [axis.max() + 1 for axis in covered]
    assert fit.to_original(*first) == pytest.approx((0, 0))
    assert fit.to_original(*last) == pytest.approx((rows, columns))
    assert framed.shape == (64, 48)


def test_shrinking_takes_the_mean_of_what_each_pixel_covers() -> None:
    picture = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert resized(picture, (2, 2)).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_a_crop_beyond_the_edge_repeats_the_edge() -> None:
    picture = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert cropped(picture, top=-1, left=1, side=3, size=3).tolist() == [[1, 2, 2], [1, 2, 2], [4, 5, 5]]


def test_a_blank_picture_is_stretched_to_black() -> None:
    assert not stretched(np.full((4, 4), 0.7, dtype=np.float32)).any()
