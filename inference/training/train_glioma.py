"""Trains and measures glioma-demo: `python -m inference.training.train_glioma --help`.

Sources, fetched by hand:
    pip download --no-deps nilearn==0.14.1, then unzip its nilearn/datasets/data/mni_icbm152_*.nii.gz
    apt-get download mricron-data, then dpkg-deb -x; its ch2.nii.gz and ch2bet.nii.gz
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import SegResNet
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from inference.training import brains
from inference.training.brains import Brain
from inference.training.glioma_cases import Case, draw, prepared

PATCH = 64
IN_PLANE = 1.0, 1.5
"""Least and most mm between the pixels of the scans."""
FIRST_CASES, MOST_CASES, PATCHES_A_CASE = 20, 400, 10
"""How many cases are drawn before the first step, are kept at once, and how many patches are seen for each new one."""
ON_LESION = 0.75
"""Part of the patches that are centred on a voxel of the lesion."""
WARM_UP, DECAY = 30, 0.998
RARE = -4.0
"""Logit that the network starts from: nearly every voxel is free of lesion."""
FIRST_SEED, SEEDS_A_FIT = 3_000_000, 20_000
"""Above those of the patients that are held out."""


def network() -> nn.Module:
    """A SegResNet of 0.44 million parameters: one channel in, one logit of lesion out, sizes divisible by 8."""
    made: nn.Module = SegResNet(
        spatial_dims=3, init_filters=8, in_channels=1, out_channels=1, blocks_down=(1, 1, 1, 1), blocks_up=(1, 1, 1)
    )
    last = [one for one in made.modules() if isinstance(one, nn.Conv3d)][-1]
    assert last.bias is not None
    nn.init.constant_(last.bias, RARE)
    return made


class Cases(IterableDataset[Case]):
    """Cases without end, each from a seed of its own, the anatomies in turn; in half precision, to keep many."""

    def __init__(self, anatomies: Sequence[Brain], *, first_seed: int) -> None:
        self._anatomies = anatomies
        self._first_seed = first_seed

    def __iter__(self) -> Iterator[Case]:
        for seed in count(self._first_seed):
            random = np.random.default_rng(seed)
            scan = draw(self._anatomies[seed % len(self._anatomies)], random, in_plane=random.uniform(*IN_PLANE))
            case = prepared(scan)
            yield Case(case.image.half(), case.lesion.half())


def patch(case: Case, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Image and lesion, (1, 1, PATCH, PATCH, PATCH), every second one mirrored, its contrast changed a little."""
    size = np.array(case.image.shape[1:])
    lesion = np.argwhere(case.lesion[0].numpy() > 0)
    on_lesion = len(lesion) > 0 and random.random() < ON_LESION
    centre = lesion[random.integers(len(lesion))] if on_lesion else random.integers(size)
    low = np.clip(centre - random.integers(PATCH // 4, 3 * PATCH // 4, 3), 0, np.maximum(size - PATCH, 0))
    where = (slice(None), *(slice(start, start + PATCH) for start in low))
    image, mask = (torch.zeros(1, PATCH, PATCH, PATCH) for _ in range(2))
    for filled, given in ((image, case.image[where]), (mask, case.lesion[where])):
        filled[tuple(map(slice, given.shape))] = given
    image = image * float(random.uniform(0.85, 1.15)) + float(random.uniform(-0.15, 0.15)) * (image != 0)
    axes = [1] if random.random() < 0.5 else []
    return image.flip(axes)[None], mask.flip(axes)[None]


class Fit:
    """Training in progress. `smoothed` is the running mean of the weights, which is what is kept."""

    def __init__(self, anatomies: Sequence[Brain], *, seed: int, rate: float = 3e-3) -> None:
        self.rate = rate
        torch.manual_seed(seed)
        self.model = network()
        self.smoothed = copy.deepcopy(self.model).eval()
        self.random = np.random.default_rng(seed)
        # A process of its own draws ahead: one scan takes as long as ten steps.
        drawn = DataLoader(Cases(anatomies, first_seed=FIRST_SEED + SEEDS_A_FIT * seed), batch_size=None, num_workers=1)
        self.drawn = map(copy.deepcopy, drawn)  # out of the memory that the two processes share
        self.kept = [next(self.drawn) for _ in range(FIRST_CASES)]
        # Squares, because the lesion's part of a border voxel lies between 0 and 1, and is to be learned as such.
        self.loss = DiceCELoss(sigmoid=True, squared_pred=True, smooth_nr=1.0, smooth_dr=1.0)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=1e-4)
        self.steps = 0

    def go_on_from(self, state: Path) -> None:
        """Start from the weights of an earlier fit."""
        for model in (self.model, self.smoothed):
            model.load_state_dict(torch.load(state, weights_only=True))

    def step(self, *, spent: float) -> float:
        """One step. spent: part of the budget that is used up, by which the rate falls. Returns the loss."""
        if self.steps % PATCHES_A_CASE == PATCHES_A_CASE - 1:
            self.kept = [*self.kept, next(self.drawn)][-MOST_CASES:]
        rate = self.rate * min(1, (self.steps + 1) / WARM_UP) * (0.02 + 0.98 * (1 + np.cos(np.pi * min(spent, 1))) / 2)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        image, lesion = patch(self.kept[self.random.integers(len(self.kept))], self.random)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model(image)
        value = self.loss(logits.float(), lesion)
        self.optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 3.0)
        self.optimiser.step()
        self.steps += 1
        self._smooth()
        return float(value.detach())

    @torch.no_grad()
    def _smooth(self) -> None:
        decay = min(DECAY, self.steps / (self.steps + 10))
        for kept, new in zip(self.smoothed.parameters(), self.model.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)


def freeze(model: nn.Module, file: Path) -> None:
    """Write the network as TorchScript."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        traced = torch.jit.trace(model.eval(), torch.zeros(1, 1, PATCH, PATCH, PATCH))  # type: ignore[no-untyped-call]
    torch.jit.save(torch.jit.freeze(traced), str(file))


def main() -> None:
    """Train until the steps or the time are spent, and write the weights as they come."""
    arguments = _arguments()
    torch.set_num_threads(1)
    maps = (arguments.mni / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" for kind in ("t1", "gm", "wm"))
    began = time.monotonic()
    colin = brains.colin27(arguments.colin / "ch2.nii.gz", arguments.colin / "ch2bet.nii.gz")
    fit = Fit([brains.mni152(*maps), colin], seed=arguments.seed, rate=arguments.rate)
    if arguments.start is not None:
        fit.go_on_from(arguments.start)
    losses: list[float] = []
    spent = 0.0
    while spent < 1:
        losses.append(fit.step(spent=spent))
        spent = max(fit.steps / arguments.steps, (time.monotonic() - began) / arguments.seconds)
        if fit.steps % 25 == 0:
            took = {"seconds": round(time.monotonic() - began), "cpu_seconds": round(time.process_time())}
            print(json.dumps({"step": fit.steps, "loss": round(float(np.mean(losses[-25:])), 4), **took}), flush=True)
        if fit.steps % 100 == 0:
            freeze(fit.smoothed, arguments.out)
            torch.save(fit.smoothed.state_dict(), arguments.out.with_suffix(".state"))
    torch.save(fit.smoothed.state_dict(), arguments.out.with_suffix(".state"))
    freeze(fit.smoothed, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mni", type=Path, required=True, help="folder with MNI152's T1, gm and wm maps")
    parser.add_argument("--colin", type=Path, required=True, help="folder with ch2.nii.gz and ch2bet.nii.gz")
    parser.add_argument("--steps", type=int, default=900, help="most steps")
    parser.add_argument("--seconds", type=float, default=1500, help="most seconds, the drawing of cases included")
    parser.add_argument("--seed", type=int, default=1, help="of weights, cases and patches")
    parser.add_argument("--rate", type=float, default=3e-3, help="of learning, at its height")
    parser.add_argument("--start", type=Path, help="the .state of an earlier fit, to go on from")
    parser.add_argument("--out", type=Path, required=True, help="the TorchScript file to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
