"""What runs a model: TorchScript today; ONNX and Triton fit behind the same two names.

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
    """A model that is ready to answer. Operators see arrays only, never a framework."""

    def predict(self, network: str, batch: Floats) -> Floats:
        """Run one of the model's networks.

        network: the file of that network as the model's manifest names it; batch: (N, channels, ...) float32.
        """
        ...


Loader = Callable[[VerifiedModel], LoadedModel]

LOADERS = {"torchscript": "inference.backends.torchscript"}


def load(model: VerifiedModel) -> LoadedModel:
    """Load a verified model with the backend that its manifest names. Raises UnknownBackend."""
    backend = model.manifest.backend
    if backend not in LOADERS:
        raise UnknownBackend(f'Model {model.label} needs the backend "{backend}"; there are {", ".join(LOADERS)}.')
    return cast(Loader, import_module(LOADERS[backend]).load)(model)
