"""How values are written into the cells of an export, so that any program reads them back and none executes them."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime

Value = str | int | float | bool | datetime | None | list[object] | dict[str, object]
"""What a cell can hold. Lists and mappings are written as JSON."""

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
STARTS_FORMULA = frozenset("=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\uff0d\N{FULLWIDTH COMMERCIAL AT}")
"""Signs with which spreadsheets begin to calculate, in their full width too."""


def written(value: Value) -> str:
    """The text of a cell: empty for None, `true` or `false`, ISO 8601 in UTC for times, a plain number for numbers.

    Text that a spreadsheet would calculate is preceded by an apostrophe, unless it is a number. Line ends become one
    line feed. Raises ValueError for a number that is not finite: say why there is none instead.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} cannot stand in an export")
        case int() | float():
            return repr(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case str():
            return _harmless(value)
        case _:
            return _harmless(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def _harmless(text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    first = plain.lstrip()[:1]
    is_risky = first in STARTS_FORMULA if first else False
    if (is_risky and not NUMBER.fullmatch(plain)) or plain[:1] in ("\t", "\n"):
        return f"'{plain}"
    return plain
