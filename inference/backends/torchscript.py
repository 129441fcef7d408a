"""TorchScript models, on the GPU where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from inference.artifacts import VerifiedModel
from inference.backends import Floats
from inference.errors import ModelNotInstalled


class TorchScriptModel:
    """The networks of one model, by file name, in evaluation mode on one device."""

    def __init__(self, networks: Mapping[str, torch.jit.ScriptModule], device: torch.device) -> None:
        self._networks = networks
        self._device = device

    def predict(self, network: str, batch: Floats) -> Floats:
        """Run `network` on `batch`, (N, channels, ...) float32; see `inference.backends.LoadedModel`."""
        if network not in self._networks:
            raise ModelNotInstalled(f'The model has no file "{network}"; it has {", ".join(self._networks)}.')
        with torch.inference_mode():
            answer: torch.Tensor = self._networks[network](torch.from_numpy(batch).to(self._device))
        values: Floats = answer.float().cpu().numpy()
        return values


def load(model: VerifiedModel) -> TorchScriptModel:
    """Load every file of `model` as a TorchScript network."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return TorchScriptModel({name: _network(file, device) for name, file in model.files.items()}, device)


def _network(file: Path, device: torch.device) -> torch.jit.ScriptModule:
    network: torch.jit.ScriptModule = torch.jit.load(str(file), map_location=device)  # type: ignore[no-untyped-call]
    return network.eval()
