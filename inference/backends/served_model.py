"""What a Triton server says of one of its models, as a file that can be hashed.

The file holds what the model is called and what goes in and out of it. Where it runs and how requests are queued is
left out, because that may differ between two servers of the same model. It tells a model of another shape or name from
the one that was imported. It does not hold the weights: a server that is given other weights under the same name and
version says the same of itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FILE = "served-model.json"
"""The one file of a model on Triton, and so the name of its one network."""

_KEPT = ("name", "platform", "backend", "max_batch_size", "input", "output", "default_model_filename")
_OF_THE_PROCESS = ("workspace-path",)
"""Parameters that a server makes anew each time it starts."""


def describe(config: Mapping[str, Any], version: str) -> bytes:
    """The description of a served model from its configuration, as Triton's `ModelConfig` gives it in JSON."""
    kept: dict[str, Any] = {name: config.get(name, "") for name in _KEPT}
    parameters = config.get("parameters") or {}
    kept["parameters"] = {name: value for name, value in parameters.items() if name not in _OF_THE_PROCESS}
    kept["version"] = version
    return (json.dumps(kept, sort_keys=True, indent=1) + "\n").encode()
