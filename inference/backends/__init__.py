"""What runs a model: TorchScript, ONNX, MONAI bundles, named architectures, Triton; all behind one small interface.

Nothing here imports a framework: a backend's module is imported when its first model is loaded, so that web processes
never pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from inference.artifacts import VerifiedModel
from inference.errors import UnknownBackend

Floats = NDArray[np.float32]


class LoadedModel(Protocol):
    """A model that is ready to answer. Operators see arrays only, never a framework. Safe to share between threads."""

    def predict(self, network: str, batch: Floats) -> Floats:
        """Run one of the model's networks.

        network: the file of that network as the model's manifest names it; batch: (N, channels, ...) float32.
        """
        ...


class MeasuredModel(LoadedModel, Protocol):
    """A model as a backend loads it: it can also tell roughly what it holds."""

    @property
    def nbytes(self) -> int:
        """Bytes that the model's weights take in this process, without what a prediction needs meanwhile."""
        ...


Loader = Callable[[VerifiedModel], MeasuredModel]

LOADERS = {
    "torchscript": "inference.backends.torchscript",
    "onnx": "inference.backends.onnx_runtime",
    "monai-bundle": "inference.backends.monai_bundle",
    "safetensors": "inference.backends.named_architecture",
    "triton": "inference.backends.triton",
}


def load(model: VerifiedModel) -> MeasuredModel:
    """Load a verified model with the backend that its manifest names.

    Raises UnknownBackend, ModelUnusable when its files are not what that backend runs, and ModelServerGone.
    """
    backend = model.manifest.backend
    if backend not in LOADERS:
        raise UnknownBackend(f'Model {model.label} needs the backend "{backend}"; there are {", ".join(LOADERS)}.')
    return _loader(backend, model.label)(model)


def _loader(backend: str, label: str) -> Loader:
    try:
        module = import_module(LOADERS[backend])
    except ModuleNotFoundError as lack:
        if lack.name is None or lack.name.partition(".")[0] == "inference":
            raise
        raise UnknownBackend(
            f'Model {label} needs the backend "{backend}", whose package {lack.name} is not installed. Install '
            f"Overread with it: pip install 'overread[{backend}]'."
        ) from lack
    return cast(Loader, module.load)
