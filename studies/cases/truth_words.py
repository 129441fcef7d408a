"""A value of the truth as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def said(value: Any) -> str:
    """Text and numbers as they are, choices with commas between, boxes by how many there are."""
    if isinstance(value, Mapping):
        return "1 box" if value.get("type") == "box" else str(value.get("type", "drawn"))
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(one, Mapping) for one in value):
            return "no box" if not value else "1 box" if len(value) == 1 else f"{len(value)} boxes"
        return ", ".join(map(said, value))
    return str(value)
