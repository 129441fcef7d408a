"""Chance that can be checked by hand: everything is drawn by the SHA-256 of a stored seed and of what it is drawn for.

`printf '%s' SEED/7/aided/1 | sha256sum` gives the very number by which a read found its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T", str, int)


def lot(seed: str, *of: str | int) -> str:
    """64 hexadecimal digits, the same for ever for the same seed and subject."""
    return hashlib.sha256("/".join((seed, *map(str, of))).encode()).hexdigest()


def shuffled(seed: str, items: Iterable[T], *of: str | int) -> tuple[T, ...]:
    """`items` in the order of their lots."""
    return tuple(sorted(items, key=lambda item: lot(seed, *of, item)))


def rank_in_group(seed: str, number: int, size: int, *of: str | int) -> int:
    """Where `number` stands, from 0, in the shuffled group of `size` consecutive numbers that it belongs to.

    Groups begin at 1. Whatever is dealt out by this rank is balanced after every whole group, and chance within it.
    """
    first = (number - 1) // size * size + 1
    return shuffled(seed, range(first, first + size), *of).index(number)
