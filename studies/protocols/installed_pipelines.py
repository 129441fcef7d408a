"""The pipelines of this installation, as a protocol names them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inference import pipeline, shipped
from inference.models import RegisteredModel
from inference.stage_models import Stage


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A pipeline that can run here; `digest` covers its definition, its operators' code and its models."""

    name: str
    title: str
    version: str
    digest: str
    models: tuple[tuple[str, str], ...]


def installed() -> dict[str, Installed]:
    """Those that can run, by name. Definitions are read again when a file changed."""
    return _read(tuple((file, file.stat().st_mtime_ns) for file in shipped.files()))


def retired_models(name: str) -> list[str]:
    """The models of the installed pipeline that are retired, as `name version`."""
    found = installed().get(name)
    models = RegisteredModel.objects.filter(stage=Stage.RETIRED)
    return [str(model) for model in models if found and (model.name, model.version) in found.models]


@lru_cache(maxsize=4)
def _read(_files: tuple[tuple[Path, int], ...]) -> dict[str, Installed]:
    return {
        definition.name: Installed(
            name=definition.name,
            title=definition.title,
            version=definition.version,
            digest=definition.digest,
            models=tuple((pin.name, pin.version) for pin in definition.models.values()),
        )
        for definition in pipeline.available()
    }
