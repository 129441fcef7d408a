"""Fits a network to pictures within a given budget.

Adam, one cycle of the learning rate, pictures varied as they come.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
Vary = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

BATCH = 32
HIGHEST_RATE = 3e-3
WARM_UP = 0.1
"""Part of the time in which the learning rate rises."""


@dataclass(frozen=True)
class Examples:
    """pictures: (N, rows, columns) uint8; truths: (N, ...) whatever the loss compares with."""

    pictures: NDArray[np.uint8]
    truths: NDArray[np.generic]

    def __len__(self) -> int:
        return len(self.pictures)

    def batch(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Pictures as (N, 1, rows, columns) of 0 to 1, and their truths."""
        pictures = torch.from_numpy(self.pictures[indices]).float().div_(255).unsqueeze(1)
        return pictures, torch.from_numpy(self.truths[indices])


@dataclass(frozen=True)
class Fitted:
    """How the fitting went: steps taken, seconds, and the mean loss of the last twentieth of the steps."""

    steps: int
    seconds: float
    loss: float


@dataclass(frozen=True)
class Budget:
    """When to stop fitting: after so many seconds of the processor, or so many steps, whichever comes first."""

    seconds: float
    steps: int = 1_000_000

    def spent(self, seconds: float, steps: int) -> float:
        """The part that is used up; 1 when it is all."""
        return max(seconds / self.seconds, steps / self.steps)


def fit(network: nn.Module, examples: Examples, loss: Loss, *, vary: Vary, budget: Budget, seed: int = 0) -> Fitted:
    """Train `network` in place until the budget is spent, and leave it in evaluation mode."""
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=HIGHEST_RATE, weight_decay=1e-2)
    began = time.process_time()
    losses: list[float] = []
    network.train()
    for indices in _endless(len(examples), seed):
        spent = budget.spent(time.process_time() - began, len(losses))
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = HIGHEST_RATE * _rate(spent)
        pictures, truths = vary(*examples.batch(indices))
        value = loss(network(pictures), truths)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(value.item())
    network.eval()
    last = losses[-max(1, len(losses) // 20) :]
    return Fitted(len(losses), time.process_time() - began, float(np.mean(last)))


def answers(network: nn.Module, examples: Examples) -> NDArray[np.float32]:
    """What the network says of every picture."""
    order = np.arange(len(examples))
    with torch.inference_mode():
        parts = [network(examples.batch(order[at : at + 64])[0]).numpy() for at in range(0, len(order), 64)]
    return np.concatenate(parts)


def in_other_light(pictures: Tensor) -> Tensor:
    """Each picture with another gamma, contrast and brightness, and a little noise."""
    count = len(pictures)
    gamma = torch.exp(torch.empty(count, 1, 1, 1).uniform_(-0.4, 0.4))
    contrast = torch.empty(count, 1, 1, 1).uniform_(0.8, 1.2)
    brightness = torch.empty(count, 1, 1, 1).uniform_(-0.1, 0.1)
    noise = torch.randn_like(pictures) * torch.empty(count, 1, 1, 1).uniform_(0, 0.04)
    return ((pictures**gamma - 0.5) * contrast + 0.5 + brightness + noise).clamp(0, 1)


def _endless(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(count)
        for at in range(0, max(1, count - BATCH + 1), BATCH):
            yield order[at : at + BATCH]


def _rate(passed: float) -> float:
    if passed < WARM_UP:
        return 0.05 + 0.95 * passed / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (passed - WARM_UP) / (1 - WARM_UP)))
