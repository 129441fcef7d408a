"""Operators of other people: an installed package says which of its modules registers some, by an entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

GROUP = "overread.operators"


def load() -> None:
    """Import every module that an installed package names in the group. Raises whatever its import raises."""
    for entry in entry_points(group=GROUP):
        entry.load()
