"""Fitting a small SegResNet to patches, measuring it, and freezing it as TorchScript."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.losses.dice import DiceCELoss
from monai.networks.nets.segresnet import SegResNet
from torch import Tensor, nn

Draw = Callable[[], tuple[Tensor, Tensor]]


def network(*, classes: int, filters: int) -> nn.Module:
    """A SegResNet from one channel to `classes` logits (background among them): about half a million parameters."""
    model: nn.Module = SegResNet(
        spatial_dims=3,
        init_filters=filters,
        in_channels=1,
        out_channels=classes,
        blocks_down=(1, 1, 2, 1),
        blocks_up=(1, 1, 1),
        norm=("INSTANCE", {"affine": True}),
    )
    return model


def fit(
    model: nn.Module,
    draw: Draw,
    *,
    weights: Sequence[float],
    rate: float,
    seconds: float,
    most_steps: int,
    report: Callable[[str], None],
) -> tuple[int, float]:
    """Fit until `seconds` of processor time or the steps are spent; return steps done and seconds taken.

    weights: how much each class counts in the cross-entropy, background first; small structures are lost without.
    The rate of learning starts at `rate` and follows a cosine over the larger share that is spent, of time or of steps.
    Passes run in bfloat16 where the processor does; the weights stay float32.
    """
    loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False, weight=torch.tensor(weights))
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    began, steps, spent, recent = time.process_time(), 0, 0.0, []
    while spent < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (steps + 1) / 20) * (0.01 + 0.99 * (1 + np.cos(np.pi * spent)) / 2)
        recent.append(_step(model, loss, optimiser, draw()))
        steps += 1
        spent = max((time.process_time() - began) / seconds, steps / most_steps)
        if steps % 50 == 0:
            report(f"step {steps}, {time.process_time() - began:.0f} s, loss {np.mean(recent):.3f}")
            recent.clear()
    return steps, time.process_time() - began


def _step(model: nn.Module, loss: nn.Module, optimiser: torch.optim.Optimizer, drawn: tuple[Tensor, Tensor]) -> float:
    image, labels = drawn
    optimiser.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(image[None])
    value = loss(logits.float(), labels[None, None])
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 3.0)
    optimiser.step()
    return float(value.detach())


def dice(model: nn.Module, drawn: tuple[Tensor, Tensor], *, classes: int) -> list[float]:
    """Dice of every class after background on one patch, in float32; NaN where the patch holds none of the class."""
    image, labels = drawn
    with torch.inference_mode():
        found = model(image[None])[0].argmax(dim=0)
    return [_dice(found == one, labels == one) for one in range(1, classes)]


def _dice(found: Tensor, wanted: Tensor) -> float:
    if not wanted.any():
        return float("nan")
    return float(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))


def freeze(model: nn.Module, *, shape: tuple[int, int, int], file: Path) -> None:
    """Trace the network and write it as TorchScript that takes any size that it can halve three times."""
    file.parent.mkdir(parents=True, exist_ok=True)
    model.eval()
    with torch.inference_mode():
        traced = torch.jit.trace(model, torch.zeros(1, 1, *shape))  # type: ignore[no-untyped-call]  # torch's own
    torch.jit.freeze(traced).save(str(file))
