"""What a result is written as: each kind of object by a module of its own, imported when a run asks for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from inference.products import FinishedRun, WrittenFile
from inference.schema import ObjectKind

Write = Callable[[FinishedRun, Path], list[WrittenFile]]

WRITERS: dict[ObjectKind, str] = {
    "seg": "inference.writers.seg",
    "sr": "inference.writers.sr",
    "rtstruct": "inference.writers.rtstruct",
    "capture": "inference.writers.capture",
    "pdf": "inference.writers.pdf",
    "nifti": "inference.writers.nifti",
}
"""The module of each kind; its function `write` takes the run and the folder for its files."""


def write_all(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write every object that the run's pipeline asks for into `folder`, in the pipeline's order."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[WrittenFile] = []
    for kind in run.pipeline.outputs.kinds:
        write = cast(Write, import_module(WRITERS[kind]).write)
        written += write(run, folder)
    return written
