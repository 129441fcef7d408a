"""Parameters with units: a definition writes `"1.5 mm"`, an operator receives 1.5.

A bare number is refused, because nobody who reads a definition can tell 2 mm from 2 voxels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

_QUANTITY = re.compile(r"\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(\S+)\s*")


def _in(unit: str, example: str) -> BeforeValidator:
    return BeforeValidator(_reader(unit, example))


def _reader(unit: str, example: str) -> Callable[[object], float]:
    def read(value: object) -> float:
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None or match.group(2) != unit:
            raise ValueError(f'expected a number with its unit, such as "{example}"')
        return float(match.group(1))

    return read


def _spacing(value: object) -> tuple[float, ...]:
    read = _reader("mm", "1.5 mm")
    spacings = tuple(map(read, value if isinstance(value, list) else [value] * 3))
    if len(spacings) != 3 or min(spacings) <= 0:
        raise ValueError('expected one spacing above 0 or three, such as "1.5 mm" or ["3 mm", "1 mm", "1 mm"]')
    return spacings


Millimetres = Annotated[float, Field(ge=0, allow_inf_nan=False), _in("mm", "1.5 mm")]
Millilitres = Annotated[float, Field(ge=0, allow_inf_nan=False), _in("ml", "0.5 ml")]
Percent = Annotated[float, Field(allow_inf_nan=False), _in("%", "25 %")]
Hounsfield = Annotated[float, Field(allow_inf_nan=False), _in("HU", "-160 HU")]
Spacing = Annotated[tuple[float, float, float], BeforeValidator(_spacing)]
"""Along the three array axes: a definition gives one for all or a list of three."""
