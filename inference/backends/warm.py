"""Models stay loaded between jobs, as many as the process may hold."""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from pathlib import Path
from threading import Lock

from inference import artifacts, backends
from inference.backends import LoadedModel, MeasuredModel

BUDGET_VARIABLE = "OVERREAD_WARM_MODELS_MB"
DEFAULT_BUDGET_MB = 4096
BYTES_PER_MB = 1024**2


def budget_from_environment() -> int:
    """Bytes that the weights of warm models may take in one process."""
    return int(os.environ.get(BUDGET_VARIABLE, DEFAULT_BUDGET_MB)) * BYTES_PER_MB


class WarmModels:
    """Loaded models by digest. Each is hashed against its pin before it is loaded, and loaded once.

    When the weights take more than the budget, the models that were not asked for the longest are let go. One that a
    running step still holds is freed when that step ends. The model asked for last always stays, even if it alone is
    larger than the budget. Threads may share it: two that ask for one model wait for one load, and other models are
    given meanwhile.
    """

    def __init__(self, budget: int | None = None) -> None:
        self._budget = budget
        self._loaded: OrderedDict[str, MeasuredModel] = OrderedDict()
        self._loading: defaultdict[str, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def get(self, directory: Path, *, digest: str) -> LoadedModel:
        """The model in `directory`, whose digest must be `digest`.

        Raises ModelNotInstalled, ModelDigestMismatch, or whatever `backends.load` raises; the next call tries again.
        """
        with self._lock:
            loading = self._loading[digest]
        with loading:
            found = self._known(digest)
            return found if found is not None else self._load(directory, digest)

    @property
    def digests(self) -> tuple[str, ...]:
        """What is loaded, the one that was not asked for the longest first."""
        with self._lock:
            return tuple(self._loaded)

    def _known(self, digest: str) -> LoadedModel | None:
        with self._lock:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
            return self._loaded.get(digest)

    def _load(self, directory: Path, digest: str) -> LoadedModel:
        model = backends.load(artifacts.verify(directory, digest))
        with self._lock:
            self._loaded[digest] = model
            budget = budget_from_environment() if self._budget is None else self._budget
            while len(self._loaded) > 1 and sum(held.nbytes for held in self._loaded.values()) > budget:
                self._loaded.popitem(last=False)
        return model


warm_models = WarmModels()
"""The models of this process."""
