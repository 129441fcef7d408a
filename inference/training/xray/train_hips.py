"""Draws hips, trains the finder and the classifier on them, and measures both on hips that they never saw.

python -m inference.training.xray.train_hips --out inference/weights --seconds 220
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor
from torch.nn import functional

from inference.backends import Floats
from inference.operators.detection import intersection_over_union
from inference.training.xray import fitting, networks, scoring
from inference.training.xray.fitting import Budget, Examples
from inference.training.xray.hip_pictures import (
    CROP_SIZE,
    FINDER_SIZE,
    FINDINGS,
    HipPicture,
    PelvisPicture,
    hip_pictures,
    pelvis_pictures,
)

HELD_OUT_SEED = 1_000_003
FINDER, FINDINGS_MODEL = "hip-finder-1.0.0", "hip-findings-1.0.0"


def pelvis_examples(count: int, *, seed: int) -> Examples:
    """Pelvises with the boxes of both hips, (N, 2, 4)."""
    pictures: list[PelvisPicture] = list(pelvis_pictures(count, seed=seed))
    return Examples(_stored([one.pixels for one in pictures]), np.stack([one.boxes for one in pictures]))


def hip_examples(count: int, *, seed: int) -> Examples:
    """Single hips with their findings as indices into FINDINGS."""
    pictures: list[HipPicture] = list(hip_pictures(count, seed=seed))
    return Examples(_stored([one.pixels for one in pictures]), np.array([one.finding for one in pictures]))


def finder_loss(answer: Tensor, boxes: Tensor) -> Tensor:
    """Cross entropy of the centres (focal, after CornerNet) and of the sides (1 - IoU) in the cells around them."""
    heat, sides = answer[:, 0], answer[:, 1:]
    wanted, near = _centres(boxes, (heat.shape[1], heat.shape[2]))
    chance = torch.sigmoid(heat).clamp(1e-4, 1 - 1e-4)
    found = near * (1 - chance) ** 2 * torch.log(chance)
    spared = (1 - near) * (1 - wanted) ** 4 * chance**2 * torch.log(1 - chance)
    centres = -(found + spared).sum() / (2 * len(boxes))
    overlaps = [_overlap_at(sides, boxes[:, index]) for index in range(boxes.shape[1])]
    return centres + 2 * (1 - torch.stack(overlaps)).mean()


def mirrored_pelvises(pictures: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the batches mirrored, boxes too, and all in other light."""
    if torch.rand(()) < 0.5:
        pictures, width = pictures.flip(3), pictures.shape[3]
        boxes = torch.stack([boxes[..., 0], width - boxes[..., 3], boxes[..., 2], width - boxes[..., 1]], dim=-1)
    return fitting.in_other_light(pictures), boxes


def mirrored_hips(pictures: Tensor, findings: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the batches mirrored, and all in other light: a left hip is a right hip in the mirror."""
    if torch.rand(()) < 0.5:
        pictures = pictures.flip(3)
    return fitting.in_other_light(pictures), findings


def train_finder(out: Path, *, count: int, held_out: int, budget: Budget) -> dict[str, str]:
    """Train, store and measure the finder; returns its figures."""
    examples = pelvis_examples(count, seed=1)
    network = networks.Finder(1)
    fitted = fitting.fit(network, examples, finder_loss, vary=mirrored_pelvises, budget=budget)
    networks.save(network, torch.zeros(1, 1, *FINDER_SIZE), out / FINDER / "model.pt")
    unseen = pelvis_examples(held_out, seed=HELD_OUT_SEED)
    overlaps = _found(fitting.answers(network, unseen), np.asarray(unseen.truths))
    low = np.quantile(overlaps, 0.05)
    return {
        "fitted": str(fitted),
        "hips": str(overlaps.size),
        "mean IoU": f"{overlaps.mean():.4f} (5th percentile {low:.3f})",
        "IoU above 0.5": f"{(overlaps > 0.5).mean():.4f}",
    }


def train_findings(out: Path, *, count: int, held_out: int, budget: Budget) -> dict[str, str]:
    """Train, store and measure the classifier; returns its figures."""
    examples = hip_examples(count, seed=2)
    network = networks.Classifier(len(FINDINGS))
    fitted = fitting.fit(network, examples, functional.cross_entropy, vary=mirrored_hips, budget=budget)
    networks.save(network, torch.zeros(1, 1, CROP_SIZE, CROP_SIZE), out / FINDINGS_MODEL / "model.pt")
    unseen = hip_examples(held_out, seed=HELD_OUT_SEED)
    logits, truths = fitting.answers(network, unseen), np.asarray(unseen.truths)
    areas = {
        f"AUC {finding}": str(scoring.area_under_curve(_against_rest(logits, index), truths == index))
        for index, finding in enumerate(FINDINGS)
    }
    return {"fitted": str(fitted), "accuracy": f"{(logits.argmax(1) == truths).mean():.4f}", **areas}


def main() -> None:
    """Train both networks and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--seconds", type=float, default=220, help="of fitting, for each network")
    parser.add_argument("--pelvises", type=int, default=1300)
    parser.add_argument("--hips", type=int, default=4200)
    parser.add_argument("--only", choices=("finder", "findings"))
    given = parser.parse_args()
    torch.manual_seed(0)
    budget = Budget(seconds=given.seconds)
    if given.only != "findings":
        _report("finder", train_finder(given.out, count=given.pelvises, held_out=given.pelvises // 6, budget=budget))
    if given.only != "finder":
        _report("findings", train_findings(given.out, count=given.hips, held_out=given.hips // 6, budget=budget))


def _centres(boxes: Tensor, cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Over the cells: how near the next centre is (0 to 1), and ones in the cells that hold a centre."""
    rows = (torch.arange(cells[0]) + 0.5)[None, None, :, None]
    columns = (torch.arange(cells[1]) + 0.5)[None, None, None, :]
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2 / networks.STRIDE
    down, across = middle[..., 0, None, None], middle[..., 1, None, None]
    near = torch.exp(-((rows - down) ** 2 + (columns - across) ** 2) / 2.0).amax(dim=1)
    holds = ((rows - down).abs() <= 0.5) & ((columns - across).abs() <= 0.5)
    return near, holds.any(dim=1).float()


def _overlap_at(sides: Tensor, boxes: Tensor) -> Tensor:
    """Overlap of `boxes` (N, 4) with those given by the 3 x 3 cells around their centres, (N, 9)."""
    cells = torch.tensor(sides.shape[2:])
    centre = ((boxes[:, :2] + boxes[:, 2:]) / 2 / networks.STRIDE).floor().long()
    around = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))
    places = torch.minimum((centre[:, None] + around[None]).clamp(min=0), cells - 1)
    picked = sides[torch.arange(len(sides))[:, None], :, places[..., 0], places[..., 1]]
    middle = (places.float() + 0.5) * networks.STRIDE
    given = torch.cat([middle - picked[..., :2], middle + picked[..., 2:]], dim=-1)
    wanted = boxes[:, None]
    shared = (torch.minimum(given[..., 2:], wanted[..., 2:]) - torch.maximum(given[..., :2], wanted[..., :2])).clamp(0)
    areas = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (given, wanted)]
    both = shared.prod(dim=-1)
    return both / (areas[0] + areas[1] - both)


def _found(answer: Floats, boxes: Floats) -> NDArray[np.float64]:
    """For each true hip, the overlap of the best cell of its half of the picture."""
    overlaps = []
    middle = answer.shape[3] // 2
    for heat, sides, truth in zip(answer[:, 0], answer[:, 1:], boxes, strict=True):
        for half, box in zip((slice(0, middle), slice(middle, None)), truth, strict=True):
            row, column = np.unravel_index(heat[:, half].argmax(), heat[:, half].shape)
            column += half.start
            at = (np.array([row, column]) + 0.5) * networks.STRIDE
            given = np.concatenate([at - sides[:2, row, column], at + sides[2:, row, column]])
            overlaps.append(intersection_over_union(given, box))
    return np.array(overlaps)


def _against_rest(logits: Floats, index: int) -> Floats:
    return np.asarray(softmax(logits, axis=1)[:, index], dtype=np.float32)


def _stored(pictures: list[Floats]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(255 * np.stack(pictures)), dtype=np.uint8)


def _report(name: str, figures: dict[str, str]) -> None:
    print(name)
    for figure, value in figures.items():
        print(f"  {figure}: {value}", flush=True)


if __name__ == "__main__":
    main()
