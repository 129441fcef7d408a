"""Networks by name, for weights that come without one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]

MESHNET_DILATIONS = (16, 8, 4, 2, 1) * 5
MESHNET_GRID = 256**3
EPSILON = 1e-5
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

    The network was trained on grids of `grid` voxels and normalises over all of them, most of which are air. So that a
    head cut out of its grid need not be put back into it, the air around is carried along as one value for each
    channel: it counts in the means and variances, and the convolutions see it beyond the edge. What differs from the
    whole grid is the rim of air whose values the head or the grid's own edge still reaches.
    """

    def __init__(
        self, weights: Weights, *, dilations: Sequence[int] = MESHNET_DILATIONS, grid: int = MESHNET_GRID
    ) -> None:
        super().__init__()
        kernels = [weights[f"model.{3 * index}.weight"] for index in range(len(dilations) + 1)]
        self.hidden = nn.ModuleList(_hidden(kernels[:-1], dilations))
        self.last = _convolution(kernels[-1], dilation=1, outgoing=kernels[-1].shape[0], padding=0)
        self._grid = grid

    def forward(self, batch: Tensor) -> Tensor:
        """Class logits of every voxel, in an image whose background is 0."""
        voxels = batch[0, 0].numel()
        share = voxels / max(self._grid, voxels)
        air = batch.new_zeros(batch.shape[:2])
        for convolution in self.hidden:
            batch, air = _normalised(convolution(batch), share)
            batch = torch.ops.aten.gelu_(batch, approximate="tanh")
            air = nn.functional.gelu(air, approximate="tanh")
            # Without bias, a convolution over values less the air's differs by one number a channel, which the next
            # normalisation takes away again. So the zeros beyond the edge stand for air.
            batch -= air[..., None, None, None]
        batch += air[..., None, None, None]
        logits: Tensor = self.last(batch)
        return logits


def _normalised(batch: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Instance normalisation over `batch` and the zeros around it, of which it is a `share`; and what zero becomes."""
    samples, channels, *extent = batch.shape
    # As many groups as channels: the same normalisation, but by a kernel that keeps the order of memory.
    normal, mean, rate = torch.native_group_norm(
        batch, None, None, samples, channels, math.prod(extent), channels, EPSILON
    )
    if share == 1:
        return normal, torch.zeros_like(mean)
    whole_mean = share * mean
    variance = rate**-2 - EPSILON
    whole_variance = share * (variance + mean**2) - whole_mean**2
    whole_rate = (whole_variance + EPSILON) ** -0.5
    normal *= (whole_rate / rate)[..., None, None, None]
    normal += ((mean - whole_mean) * whole_rate)[..., None, None, None]
    return normal, -whole_mean * whole_rate


def _hidden(kernels: Sequence[Tensor], dilations: Sequence[int]) -> list[nn.Conv3d]:
    """The hidden layers of a MeshNet, each padded so that the extent stays what it is."""
    return [
        _convolution(kernel, dilation=dilation, outgoing=_padded(kernel.shape[0]), padding=dilation)
        for kernel, dilation in zip(kernels, dilations, strict=True)
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
