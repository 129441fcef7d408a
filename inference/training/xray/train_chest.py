"""Renders chests with findings from the one real CT, trains the classifier on them, and measures it on others.

python -m inference.training.xray.train_chest --ct cxr.nii.gz --mask mask.nii.gz --out inference/weights
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.training.xray import chest_ct, fitting, networks, scoring
from inference.training.xray.chest_ct import Chest
from inference.training.xray.chest_pictures import CHEST_SIZE, FINDINGS, chest_pictures
from inference.training.xray.fitting import Budget, Examples

HELD_OUT_SEED = 2_000_003
MODEL = "chest-triage-1.0.0"


def chest_examples(chest: Chest, count: int, *, seed: int) -> Examples:
    """Chest pictures with their findings as indices into FINDINGS."""
    pictures = list(chest_pictures(chest, count, seed=seed))
    pixels = np.rint(255 * np.stack([one.pixels for one in pictures])).astype(np.uint8)
    return Examples(pixels, np.array([one.finding for one in pictures]))


def moved(pictures: Tensor, findings: Tensor) -> tuple[Tensor, Tensor]:
    """Each picture shifted, scaled and turned a little, and in other light. Never mirrored: the heart lies left."""
    count = len(pictures)
    angle, scale = torch.empty(count).uniform_(-0.1, 0.1), torch.empty(count).uniform_(0.88, 1.12)
    shift = torch.empty(count, 2).uniform_(-0.08, 0.08)
    matrices = torch.zeros(count, 2, 3)
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale * torch.cos(angle)
    matrices[:, 0, 1], matrices[:, 1, 0] = -scale * torch.sin(angle), scale * torch.sin(angle)
    matrices[:, :, 2] = shift
    grid = functional.affine_grid(matrices, list(pictures.shape), align_corners=False)
    return fitting.in_other_light(functional.grid_sample(pictures, grid, align_corners=False)), findings


def train(chest: Chest, out: Path, *, count: int, held_out: int, budget: Budget) -> dict[str, str]:
    """Train, store and measure the classifier; returns its figures."""
    examples = chest_examples(chest, count, seed=3)
    network = networks.Classifier(len(FINDINGS), widths=(8, 16, 32, 64, 96))
    fitted = fitting.fit(network, examples, functional.cross_entropy, vary=moved, budget=budget)
    networks.save(network, torch.zeros(1, 1, *CHEST_SIZE), out / MODEL / "model.pt")
    unseen = chest_examples(chest, held_out, seed=HELD_OUT_SEED)
    logits, truths = fitting.answers(network, unseen), np.asarray(unseen.truths)
    chances = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    areas = {
        f"AUC {finding}": str(scoring.area_under_curve(chances[:, index], truths == index))
        for index, finding in enumerate(FINDINGS)
    }
    return {"fitted": str(fitted), "accuracy": f"{(logits.argmax(1) == truths).mean():.4f}", **areas}


def main() -> None:
    """Train the network and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, required=True)
    parser.add_argument("--mask", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--seconds", type=float, default=200)
    parser.add_argument("--count", type=int, default=2800)
    given = parser.parse_args()
    torch.manual_seed(0)
    budget = Budget(seconds=given.seconds)
    chest = chest_ct.load(given.ct, given.mask)
    figures = train(chest, given.out, count=given.count, held_out=given.count // 6, budget=budget)
    for figure, value in figures.items():
        print(f"{figure}: {value}", flush=True)


if __name__ == "__main__":
    main()
