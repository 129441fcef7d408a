"""Networks by name, for weights that come without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]

MESHNET_DILATIONS = (16, 8, 4, 2, 1) * 5
LANES = 16
"""Convolutions over channels in multiples of 16 are several times faster on a CPU than over 15."""


@dataclass(frozen=True)
class Architecture:
    """How weights become a network, and the order of memory in which that network is fastest."""

    build: Callable[[Weights], nn.Module]
    layout: torch.memory_format


class MeshNet(nn.Module):
    """Dilated convolutions without bias, each followed by instance normalisation and GELU, then one voxel-wise layer.

    (N, 1, I, J, K) in, (N, classes, I, J, K) logits out. Fedorov et al., "End-to-end learning of brain tissue
    segmentation from imperfect labeling" (IJCNN 2017); the variant is that of MindGrab. Channels are padded with
    zeros to a multiple of 16: a channel of zeros stays one through normalisation and GELU, and changes no other.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        kernels = [weights[f"model.{3 * index}.weight"] for index in range(len(MESHNET_DILATIONS) + 1)]
        self.hidden = nn.ModuleList(_hidden(kernels[:-1]))
        self.last = _convolution(kernels[-1], dilation=1, outgoing=kernels[-1].shape[0], padding=0)

    def forward(self, batch: Tensor) -> Tensor:
        """Class logits of every voxel."""
        for convolution in self.hidden:
            batch = convolution(batch)
            # As many groups as channels: instance normalisation, but one that keeps the order of memory.
            batch = nn.functional.group_norm(batch, batch.shape[1], eps=1e-5)
            batch = torch.ops.aten.gelu_(batch, approximate="tanh")
        logits: Tensor = self.last(batch)
        return logits


def _hidden(kernels: list[Tensor]) -> list[nn.Conv3d]:
    """The hidden layers of a MeshNet, each padded so that the extent stays what it is."""
    return [
        _convolution(kernel, dilation=dilation, outgoing=_padded(kernel.shape[0]), padding=dilation)
        for kernel, dilation in zip(kernels, MESHNET_DILATIONS, strict=True)
    ]


def _convolution(kernel: Tensor, *, dilation: int, outgoing: int, padding: int) -> nn.Conv3d:
    given, taken = kernel.shape[0], kernel.shape[1]
    incoming = taken if taken == 1 else _padded(taken)
    size = tuple(kernel.shape[2:])
    made = nn.Conv3d(incoming, outgoing, size, padding=padding, dilation=dilation, bias=False)  # type: ignore[arg-type]
    padded = torch.zeros(outgoing, incoming, *size)
    padded[:given, :taken] = kernel
    made.weight = nn.Parameter(padded.contiguous(memory_format=torch.channels_last_3d), requires_grad=False)
    return made


def _padded(channels: int) -> int:
    return -(-channels // LANES) * LANES


ARCHITECTURES = {"mindgrab": Architecture(build=MeshNet, layout=torch.channels_last_3d)}
"""Every architecture that a manifest may name."""
