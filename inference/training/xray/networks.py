"""The networks of the X-ray pipelines: residual convolutions small enough for a CPU.

Input everywhere: (N, 1, rows, columns) float32 of 0 to 1, as `inference.operators.pictures.stretched` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

STRIDE = 8
"""Pixels of the input per cell of the finder's answer."""


class Residual(nn.Module):
    """Two convolutions beside a short cut; the first may halve the size."""

    def __init__(self, given: int, made: int, *, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(given, made, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(),
            nn.Conv2d(made, made, 3, padding=1, bias=False),
            nn.BatchNorm2d(made),
        )
        self.short = nn.Sequential(nn.Conv2d(given, made, 1, stride=stride, bias=False), nn.BatchNorm2d(made))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.path(x) + self.short(x))


def _trunk(widths: Sequence[int]) -> nn.Sequential:
    first = [nn.Conv2d(1, widths[0], 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    pairs = pairwise(widths)
    return nn.Sequential(*first, *(Residual(given, made, stride=2) for given, made in pairs))


class Classifier(nn.Module):
    """Logits of `classes` for a whole picture."""

    def __init__(self, classes: int, *, widths: Sequence[int] = (12, 24, 48, 96)) -> None:
        super().__init__()
        self.trunk = _trunk(widths)
        self.last = Residual(widths[-1], widths[-1], stride=1)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * widths[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        features = self.last(self.trunk(2 * x - 1))
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.head(pooled)
        return logits


class Finder(nn.Module):
    """Where things are: (N, kinds + 4, rows / STRIDE, columns / STRIDE).

    The first `kinds` channels are logits that a thing of that kind has its centre in the cell. The last four are the
    distances from the cell's centre to the thing's top, left, bottom and right side, in pixels of the input.
    """

    def __init__(self, kinds: int, *, widths: Sequence[int] = (12, 24, 48)) -> None:
        super().__init__()
        self.kinds = kinds
        self.trunk = _trunk(widths)
        # Wide, so that one hip knows of the other and of the pelvis between them.
        self.context = nn.Sequential(
            Residual(widths[-1], 64, stride=2), Residual(64, 64, stride=1), nn.Upsample(scale_factor=2, mode="nearest")
        )
        self.head = nn.Sequential(nn.Conv2d(widths[-1] + 64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, kinds + 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        features = self.trunk(2 * x - 1)
        answer = self.head(torch.cat([features, self.context(features)], dim=1))
        sides = STRIDE * torch.exp(answer[:, self.kinds :].clamp(-4, 4))
        return torch.cat([answer[:, : self.kinds], sides], dim=1)


def save(network: nn.Module, example: Tensor, file: Path) -> None:
    """Write the network as TorchScript, ready for use. example: an input of the size that it is meant for."""
    script = torch.jit.freeze(torch.jit.trace(network.eval(), example))  # type: ignore[no-untyped-call]
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.save(script, str(file))
