"""Operators that other installed packages bring. A package that breaks is named, and breaks nothing else."""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import EntryPoint

from inference import entry_points
from inference.operators import registry

log = logging.getLogger(__name__)


@cache
def load() -> tuple[str, ...]:
    """Import every package's operators, once in this process. Returns a sentence for each that cannot be used."""
    return tuple(filter(None, map(_load, entry_points.installed(entry_points.OPERATORS))))


def _load(entry: EntryPoint) -> str | None:
    before = dict(registry.OPERATORS)
    try:
        entry.load()
    except (Exception, SystemExit) as fault:
        # Whatever a stranger's code raises at import must not stop the portal, an exit included.
        log.exception("The operators of %s cannot be loaded.", entry_points.package_of(entry))
        registry.OPERATORS.clear()
        registry.OPERATORS.update(before)
        return (
            f"Package {entry_points.package_of(entry)}: its operators ({entry.value}) cannot be loaded: "
            f"{type(fault).__name__}: {fault}. Mend or uninstall the package."
        )
    return None
