"""MONAI bundles: their TorchScript file, or a network of MONAI's own with the bundle's weights.

A bundle's configuration may name any Python function and hold expressions to be evaluated. None of that is done here:
`network_def` may name one class of `monai.networks.nets` with plain arguments, and weights are read as tensors only.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inference.artifacts import VerifiedModel
from inference.backends import bundle_definition, torch_networks, torchscript
from inference.backends.torch_networks import TorchNetworks
from inference.errors import ModelUnusable

TORCHSCRIPT, WEIGHTS = "model.ts", "model.pt"


def load(model: VerifiedModel) -> TorchNetworks:
    """Load a bundle's network. Raises ModelUnusable when the bundle holds none that may be run."""
    device = torch_networks.device()
    dtype = torch_networks.precision(model.manifest, device)
    if TORCHSCRIPT in model.files:
        scripted = torchscript.network(model.files[TORCHSCRIPT], device, model.label)
        return TorchNetworks({TORCHSCRIPT: scripted}, device=device, dtype=dtype)
    return TorchNetworks({WEIGHTS: _from_definition(model, device)}, device=device, dtype=dtype)


def _from_definition(model: VerifiedModel, device: torch.device) -> torch.nn.Module:
    definition = bundle_definition.network_of(model.files)
    network = _build(definition.class_name, definition.arguments, model.label)
    weights = _weights(model.files[WEIGHTS], device, model.label)
    try:
        network.load_state_dict(weights)
    except RuntimeError as fault:
        raise ModelUnusable(f"{WEIGHTS} of model {model.label} does not fit its network_def: {fault}") from fault
    return network


def _build(class_name: str, arguments: Mapping[str, Any], label: str) -> torch.nn.Module:
    from monai.networks import nets  # noqa: PLC0415 - MONAI takes seconds to import, and few models need it

    found = getattr(nets, class_name, None)
    is_network = inspect.isclass(found) and issubclass(found, torch.nn.Module)
    if found is None or not is_network or not found.__module__.startswith("monai.networks.nets."):
        raise ModelUnusable(f"Model {label}: monai.networks.nets has no network {class_name}.")
    try:
        made: torch.nn.Module = found(**arguments)
    except (TypeError, ValueError, NotImplementedError, RuntimeError) as fault:
        raise ModelUnusable(f"Model {label}: {class_name} cannot be made as network_def says: {fault}") from fault
    return made


def _weights(file: Path, device: torch.device, label: str) -> Mapping[str, torch.Tensor]:
    try:
        # weights_only: a pickle may otherwise run any code as it is read.
        content = torch.load(file, map_location=device, weights_only=True)
    except Exception as fault:  # pickle, zip and torch each raise their own
        raise ModelUnusable(f"{file.name} of model {label} cannot be read as weights alone: {fault}") from fault
    inner = content.get("model", content.get("state_dict", content)) if isinstance(content, dict) else None
    if not isinstance(inner, dict) or not all(isinstance(value, torch.Tensor) for value in inner.values()):
        raise ModelUnusable(f"{file.name} of model {label} holds no state_dict: expected tensors by name.")
    return inner
