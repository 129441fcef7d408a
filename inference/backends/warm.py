"""Models stay loaded for as long as their process lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from inference import artifacts, backends
from inference.backends import LoadedModel


@dataclass
class WarmModels:
    """Loaded models by digest. Each is hashed against its pin once per process, before its first use."""

    _loaded: dict[str, LoadedModel] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, directory: Path, *, digest: str) -> LoadedModel:
        """The model in `directory`, whose digest must be `digest`.

        Raises ModelNotInstalled, ModelDigestMismatch or UnknownBackend.
        """
        with self._lock:
            if digest not in self._loaded:
                self._loaded[digest] = backends.load(artifacts.verify(directory, digest))
            return self._loaded[digest]


warm_models = WarmModels()
"""The models of this process."""
