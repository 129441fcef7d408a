"""What other installed Python packages say they bring: operators and pipelines, by entry points."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from importlib.metadata import EntryPoint

OPERATORS = "overread.operators"
"""Modules that register operators when they are imported."""
PIPELINES = "overread.pipelines"
"""Packages with definitions (*.yaml) among their files."""


def installed(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, in the order of their packages and names."""
    return tuple(sorted(metadata.entry_points(group=group), key=lambda entry: (package_of(entry), entry.name)))


def package_of(entry: EntryPoint) -> str:
    """`name version` of the package that an entry point belongs to."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def owner(module: str) -> str | None:
    """The package, with its version, whose operators `module` holds; None for Overread's own and for loose files."""
    return _owners().get(module.partition(".")[0])


@cache
def _owners() -> dict[str, str]:
    return {entry.module.partition(".")[0]: package_of(entry) for entry in installed(OPERATORS)}
