"""TorchScript models, on the GPU where there is one."""

from __future__ import annotations

from pathlib import Path

import torch

from inference.artifacts import VerifiedModel
from inference.backends import torch_networks
from inference.backends.torch_networks import TorchNetworks
from inference.errors import ModelUnusable


def load(model: VerifiedModel) -> TorchNetworks:
    """Load every file of `model` as a TorchScript network. Raises ModelUnusable when one is none."""
    device = torch_networks.device()
    networks = {name: network(file, device, model.label) for name, file in model.files.items()}
    return TorchNetworks(networks, device=device, dtype=torch_networks.precision(model.manifest, device))


def network(file: Path, device: torch.device, label: str) -> torch.jit.ScriptModule:
    """Read one TorchScript file of the model `label`. Raises ModelUnusable when it is no such file."""
    try:
        loaded: torch.jit.ScriptModule = torch.jit.load(str(file), map_location=device)  # type: ignore[no-untyped-call]
    except RuntimeError as fault:
        first_line = str(fault).strip().partition("\n")[0]
        raise ModelUnusable(f"{file.name} of model {label} cannot be read as TorchScript: {first_line}") from fault
    return loaded
