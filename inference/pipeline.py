"""Pipelines: named, versioned chains of operators, written in YAML and checked whole before any may run."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from inference import definition_file, shipped, wiring
from inference.definition_file import DefinitionFile
from inference.errors import DefinitionInvalid, PipelineNotFound
from inference.schema import Pipeline

__all__ = ["SHIPPED", "Pipeline", "available", "load", "load_named", "parse", "source_of"]

SHIPPED = shipped.PIPELINES


def load(file: Path) -> Pipeline:
    """Read and check a definition. Raises DefinitionInvalid with file, line, field and what was expected."""
    return _checked(definition_file.read(file))


def parse(text: str, *, file: Path = Path("pipeline.yaml")) -> Pipeline:
    """Check a definition given as text; `file` names it in errors."""
    return _checked(definition_file.parse(text, file))


def load_named(name: str, directory: Path = SHIPPED) -> Pipeline:
    """The pipeline `name`. Raises PipelineNotFound with those that exist, or DefinitionInvalid."""
    names = [file.stem for file in _files(directory)]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f'Did you mean "{close[0]}"?' if close else f"There are: {', '.join(names)}."
        raise PipelineNotFound(f'There is no pipeline "{name}". {hint}')
    return load(directory / f"{name}.yaml")


def available(directory: Path = SHIPPED) -> Iterator[Pipeline]:
    """Every pipeline in `directory`, by name. Raises DefinitionInvalid at one that is broken."""
    return map(load, _files(directory))


def source_of(name: str, directory: Path = SHIPPED) -> str:
    """The definition of `name` as written."""
    return (directory / f"{load_named(name, directory).name}.yaml").read_text(encoding="utf-8")


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.yaml"))


def _checked(definition: DefinitionFile) -> Pipeline:
    pipeline = definition.parse(Pipeline)
    faults = wiring.faults(pipeline)
    if faults:
        raise DefinitionInvalid([definition.problem(location, expected) for location, expected in faults])
    return pipeline
