"""Networks of PyTorch, whatever file they came in: on the GPU where there is one, in half precision where validated."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from inference.artifacts import Manifest
from inference.backends import Floats
from inference.errors import ModelNotInstalled

ANY_LAYOUT = torch.contiguous_format


def device() -> torch.device:
    """The first GPU that `CUDA_VISIBLE_DEVICES` leaves to this process, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(manifest: Manifest, on: torch.device) -> torch.dtype:
    """Half precision on a GPU for a model that was validated in it; single precision everywhere else."""
    return torch.float16 if manifest.half_precision and on.type == "cuda" else torch.float32


class TorchNetworks:
    """The networks of one model by name, in evaluation mode, on one device and in one precision."""

    def __init__(
        self,
        networks: Mapping[str, torch.nn.Module],
        *,
        device: torch.device,
        dtype: torch.dtype,
        layout: torch.memory_format = ANY_LAYOUT,
    ) -> None:
        self._networks = {name: network.eval().to(device, dtype) for name, network in networks.items()}
        self._device, self._dtype, self._layout = device, dtype, layout

    def predict(self, network: str, batch: Floats) -> Floats:
        """Run `network` on `batch`, (N, channels, ...) float32; see `inference.backends.LoadedModel`."""
        if network not in self._networks:
            raise ModelNotInstalled(f'The model has no file "{network}"; it has {", ".join(self._networks)}.')
        with torch.inference_mode():
            given = torch.from_numpy(batch).to(self._device, self._dtype, memory_format=self._layout)
            answer: torch.Tensor = self._networks[network](given)
            values: Floats = answer.float().cpu().numpy()
        return values

    @property
    def nbytes(self) -> int:
        """Bytes of all parameters and buffers."""
        tensors = [tensor for network in self._networks.values() for tensor in _tensors(network)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _tensors(network: torch.nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
