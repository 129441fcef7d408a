"""Training of the CT networks, on a scale of seconds: it learns, it measures, and what it writes runs elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.training.ct import fit, phantoms
from inference.training.ct.__main__ import draw_one, measure
from inference.training.ct.case import Case
from inference.training.ct.patches import View
from inference.training.ct.tasks import LOBES, Task

SMALL = Task("small", "1.0.0", LOBES.classes, View((24, 24, 24), 8.0, (-160.0, 240.0)), LOBES.weights)


@pytest.fixture(scope="module")
def torso() -> Case:
    return phantoms.draw(11, spacing_mm=6.0)


def test_two_steps_of_training_change_the_network_and_are_counted(torso: Case) -> None:
    torch.manual_seed(0)
    model = fit.network(classes=4, filters=8)
    before = [parameter.clone() for parameter in model.parameters()]
    said: list[str] = []
    draw = partial(draw_one, SMALL, torso, [torso], np.random.default_rng(0))
    steps, _ = fit.fit(model, draw, weights=SMALL.weights, rate=3e-3, seconds=600, most_steps=2, report=said.append)
    assert steps == 2
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_the_same_seeds_train_the_same_network(torso: Case) -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        model = fit.network(classes=4, filters=8)
        draw = partial(draw_one, SMALL, torso, [torso], np.random.default_rng(5))
        fit.fit(model, draw, weights=SMALL.weights, rate=3e-3, seconds=600, most_steps=2, report=lambda _line: None)
        weights.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    assert torch.allclose(weights[0], weights[1], atol=1e-5)


def test_every_class_is_measured_on_what_was_held_out(torso: Case) -> None:
    torch.manual_seed(0)
    found = measure(SMALL, fit.network(classes=4, filters=8).eval(), torso, [torso])
    assert set(found) == {"real CT", "held-out deformations of the real CT", "held-out phantoms"}
    for figures in found.values():
        assert set(figures) == {name + tail for name in LOBES.classes for tail in ("", ", lowest")}
        assert all(0 <= value <= 1 for value in figures.values())


def test_dice_counts_agreement_and_has_no_answer_for_what_is_not_there() -> None:
    labels = torch.zeros(8, 8, 8, dtype=torch.long)
    labels[:4] = 1
    always_one = torch.nn.Conv3d(1, 3, 1)
    torch.nn.init.zeros_(always_one.weight)
    always_one.bias = torch.nn.Parameter(torch.tensor([0.0, 1.0, 0.0]))
    half, absent = fit.dice(always_one, (torch.zeros(1, 8, 8, 8), labels), classes=3)
    assert half == pytest.approx(2 / 3)
    assert np.isnan(absent)


def test_a_frozen_network_answers_as_before_on_other_sizes_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = fit.network(classes=4, filters=8).eval()
    fit.freeze(model, shape=(24, 24, 24), file=tmp_path / "model.pt")
    frozen = torch.jit.load(str(tmp_path / "model.pt"))  # type: ignore[no-untyped-call]
    for shape in ((24, 24, 24), (32, 16, 40)):
        given = torch.rand(2, 1, *shape)
        with torch.inference_mode():
            assert torch.allclose(frozen(given), model(given), atol=1e-4)
    assert (tmp_path / "model.pt").stat().st_size < 3e6
