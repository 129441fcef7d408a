"""Pipelines: named, versioned chains of operators, written in YAML and checked whole before any may run."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from pathlib import Path

from inference import definition_file, shipped, wiring
from inference.definition_file import DefinitionFile
from inference.errors import DefinitionInvalid, PipelineNotFound
from inference.operators import packages
from inference.schema import Pipeline

__all__ = ["SHIPPED", "Pipeline", "available", "load", "load_named", "parse", "problems", "source_of"]

SHIPPED = shipped.PIPELINES

log = logging.getLogger(__name__)


def load(file: Path) -> Pipeline:
    """Read and check a definition. Raises DefinitionInvalid with file, line, field and what was expected."""
    return _checked(definition_file.read(file))


def parse(text: str, *, file: Path = Path("pipeline.yaml")) -> Pipeline:
    """Check a definition given as text; `file` names it in errors."""
    return _checked(definition_file.parse(text, file))


def load_named(name: str, directory: Path | None = None) -> Pipeline:
    """The pipeline `name`, of `directory` or of all folders of this installation.

    Raises PipelineNotFound with those that exist, or DefinitionInvalid.
    """
    return load(_file(name, directory))


def available(directory: Path | None = None) -> Iterator[Pipeline]:
    """Every pipeline of `directory`, or of all folders of this installation.

    Raises DefinitionInvalid at a broken one of ours; one of a package or of the site is left out, see `problems`.
    """
    for file in _files(directory):
        try:
            yield load(file)
        except DefinitionInvalid as fault:
            if file.parent in (SHIPPED, directory):
                raise
            log.warning("The pipeline %s is left out: %s", file, fault)


def problems() -> list[str]:
    """What keeps operators and pipelines of packages and of the site from being used, a sentence each."""
    return [*packages.load(), *shipped.problems(), *_broken_definitions()]


def source_of(name: str, directory: Path | None = None) -> str:
    """The definition of `name` as written."""
    return _file(name, directory).read_text(encoding="utf-8")


def _file(name: str, directory: Path | None) -> Path:
    files = {file.stem: file for file in _files(directory)}
    if name not in files:
        close = difflib.get_close_matches(name, files, n=1)
        hint = f'Did you mean "{close[0]}"?' if close else f"There are: {', '.join(files)}."
        raise PipelineNotFound(f'There is no pipeline "{name}". {hint}')
    return files[name]


def _files(directory: Path | None) -> list[Path]:
    return shipped.files() if directory is None else sorted(directory.glob("*.yaml"))


def _broken_definitions() -> Iterator[str]:
    for file in shipped.files():
        try:
            load(file)
        except DefinitionInvalid as fault:
            yield f"{file} is left out. {fault}"


def _checked(definition: DefinitionFile) -> Pipeline:
    pipeline = definition.parse(Pipeline)
    faults = wiring.faults(pipeline)
    if faults:
        raise DefinitionInvalid([definition.problem(location, expected) for location, expected in faults])
    return pipeline
