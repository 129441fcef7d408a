"""What PostgreSQL's JSON and YAML both keep as it is."""

from __future__ import annotations

import re
from typing import TypeVar

Value = TypeVar("Value")
LARGEST = 10**15  # beyond it numbers with a fraction come back from the database as whole ones
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff]")


def storable(value: Value) -> Value:
    """Return `value`, text or JSON, unless a character or number in it would not come back the same.

    Raises ValueError naming the first such character by its code point, or the number.
    """
    if isinstance(value, str):
        if found := _UNFIT.search(value):
            raise ValueError(f"it holds the character U+{ord(found[0]):04X}, which cannot be kept; type it again")
    elif isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        if not -LARGEST < value < LARGEST:
            raise ValueError(f"the number {value} is too large to be kept")
    elif isinstance(value, dict):
        for key, inner in value.items():
            storable(key)
            storable(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            storable(inner)
    return value
