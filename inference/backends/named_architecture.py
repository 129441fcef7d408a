"""Weights in a safetensors file, for a network that Overread itself describes."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from inference.artifacts import VerifiedModel
from inference.backends import torch_networks
from inference.backends.architectures import ARCHITECTURES
from inference.backends.torch_networks import TorchNetworks
from inference.errors import ModelUnusable


def load(model: VerifiedModel) -> TorchNetworks:
    """Load every file of `model` into the network its manifest names. Raises ModelUnusable when they do not fit."""
    name = model.manifest.architecture
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelUnusable(f'Model {model.label} names the architecture "{name}"; there are {known}.')
    device = torch_networks.device()
    networks = {file: _network(name, path, model.label) for file, path in model.files.items()}
    return TorchNetworks(
        networks,
        device=device,
        dtype=torch_networks.precision(model.manifest, device),
        layout=ARCHITECTURES[name].layout,
    )


def _network(architecture: str, file: Path, label: str) -> torch.nn.Module:
    try:
        return ARCHITECTURES[architecture].build(load_file(file))
    except (SafetensorError, KeyError, RuntimeError) as fault:
        raise ModelUnusable(f"{file.name} of model {label} does not fit {architecture}: {fault}") from fault
