"""Networks, losses and scores on pictures small enough for seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from inference.training.xray import fitting, networks, scoring, train_hips
from inference.training.xray.fitting import Budget, Examples
from inference.training.xray.hip_pictures import CROP_SIZE, FINDER_SIZE

STEPS = Budget(seconds=60, steps=40)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Pictures as small as these take longer on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def two_classes(count: int = 64) -> Examples:
    """Dark pictures with a bright square in the left or the right half."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 60, (count, 32, 32)).astype(np.uint8)
    truths = np.arange(count) % 2
    for picture, truth in zip(pictures, truths, strict=True):
        picture[8:24, 16 * truth : 16 * truth + 12] += 150
    return Examples(pictures, truths)


def test_a_classifier_learns_what_can_be_seen_and_keeps_it_as_torchscript(tmp_path: Path) -> None:
    network = networks.Classifier(2, widths=(4, 8))
    examples = two_classes()
    fitted = fitting.fit(network, examples, functional.cross_entropy, vary=lambda *given: given, budget=STEPS)
    assert fitted.steps == STEPS.steps
    answers = fitting.answers(network, examples)
    assert (answers.argmax(axis=1) == examples.truths).mean() > 0.9
    networks.save(network, torch.zeros(1, 1, 32, 32), tmp_path / "model.pt")
    stored = torch.jit.load(str(tmp_path / "model.pt"))  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        np.testing.assert_allclose(stored(examples.batch(np.arange(8))[0]).numpy(), answers[:8], atol=1e-4)


def test_two_steps_of_the_real_training_run_through(tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert "mean IoU" in train_hips.train_finder(tmp_path, count=4, held_out=2, budget=Budget(seconds=60, steps=2))
    figures = train_hips.train_findings(tmp_path, count=6, held_out=6, budget=Budget(seconds=60, steps=2))
    assert figures["AUC fracture"].endswith("2 of 6)")
    for name, size in ((train_hips.FINDER, FINDER_SIZE), (train_hips.FINDINGS_MODEL, (CROP_SIZE,) * 2)):
        network = torch.jit.load(str(tmp_path / name / "model.pt"))  # type: ignore[no-untyped-call]
        assert network(torch.zeros(2, 1, *size)).shape[0] == 2


def answer_with(box: tuple[float, float, float, float], *, row: int, column: int) -> torch.Tensor:
    """An answer of 20 x 24 cells that puts `box` into every cell, and its centre into one."""
    answer = torch.full((1, 5, 20, 24), -9.0)
    answer[0, 0, row, column] = 9.0
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(24), indexing="ij")
    down, across = (rows + 0.5) * networks.STRIDE, (columns + 0.5) * networks.STRIDE
    answer[0, 1:] = torch.stack([down - box[0], across - box[1], box[2] - down, box[3] - across])
    return answer


def test_the_finders_loss_is_least_for_the_true_box_in_the_true_place() -> None:
    truth = (40.0, 40.0, 80.0, 84.0)
    boxes = torch.tensor([[truth]])
    right = train_hips.finder_loss(answer_with(truth, row=7, column=7), boxes)
    too_large = train_hips.finder_loss(answer_with((30.0, 40.0, 80.0, 100.0), row=7, column=7), boxes)
    elsewhere = train_hips.finder_loss(answer_with(truth, row=2, column=20), boxes)
    assert right < 0.05
    assert too_large > right + 0.3
    assert elsewhere > right + 0.3


def test_a_mirrored_pelvis_takes_its_boxes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.zeros(1, 1, 8, 20)
    pictures[..., 2:5, 3:7] = 1
    monkeypatch.setattr(torch, "rand", lambda *_shape: torch.tensor(0.0))
    monkeypatch.setattr(fitting, "in_other_light", lambda pictures: pictures)
    mirrored, boxes = train_hips.mirrored_pelvises(pictures, torch.tensor([[[2.0, 3.0, 5.0, 7.0]]]))
    top, left, bottom, right = (int(value) for value in boxes[0, 0])
    assert mirrored[0, 0, top:bottom, left:right].min() == 1
    assert mirrored.sum() == pictures.sum()


def test_the_area_under_the_curve_is_the_chance_of_the_right_order() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5])
    truths = np.array([True, True, False, True, False, False])
    area = scoring.area_under_curve(scores, truths)
    assert area.value == pytest.approx(8 / 9)
    assert area.low < area.value < area.high <= 1
    assert scoring.area_under_curve(np.zeros(6), truths).value == 0.5
