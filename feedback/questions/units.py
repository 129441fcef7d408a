"""Units of measure by their UCUM code (https://ucum.org): those that readers of images answer in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

UNITS: Mapping[str, str] = {
    "1": "",
    "%": "%",
    "um": "µm",
    "mm": "mm",
    "cm": "cm",
    "m": "m",
    "mm2": "mm²",
    "cm2": "cm²",
    "m2": "m²",
    "mm3": "mm³",
    "cm3": "cm³",
    "ml": "ml",
    "mL": "mL",
    "dL": "dL",
    "l": "l",
    "L": "L",
    "ms": "ms",
    "s": "s",
    "min": "min",
    "h": "h",
    "d": "days",
    "wk": "weeks",
    "mo": "months",
    "a": "years",
    "deg": "°",
    "Cel": "°C",
    "mg": "mg",
    "g": "g",
    "kg": "kg",
    "kg/m2": "kg/m²",
    "g/L": "g/L",
    "g/dL": "g/dL",
    "mg/dL": "mg/dL",
    "mmol/L": "mmol/L",
    "umol/L": "µmol/L",
    "ng/mL": "ng/mL",
    "U/L": "U/L",
    "mL/min": "mL/min",
    "/min": "per minute",
    "mm[Hg]": "mmHg",
    "kPa": "kPa",
    "[hnsf'U]": "HU",
    "Gy": "Gy",
    "mGy": "mGy",
    "mGy.cm": "mGy cm",
    "mSv": "mSv",
    "MBq": "MBq",
    "Bq/mL": "Bq/mL",
    "g/ml{SUVbw}": "SUVbw",
    "mm2/s": "mm²/s",
    "10*-3.mm2/s": "10⁻³ mm²/s",
}
"""UCUM code and how people write it."""
COUNTED = re.compile(r"\{[A-Za-z][A-Za-z0-9 _-]{0,30}\}")
"""UCUM's annotation standing alone: what is counted, as in {lesions}."""


def checked_unit(code: str) -> str:
    """`code` when it can be asked in. Raises ValueError with the nearest known ones."""
    if code in UNITS or COUNTED.fullmatch(code):
        return code
    near = difflib.get_close_matches(code, UNITS, n=3, cutoff=0.4)
    spoken = [known for known, written in UNITS.items() if written and written == code]
    hint = " or ".join(dict.fromkeys([*spoken, *near])) or "mm, ml, min, %"
    raise ValueError(
        f'"{code}" is no unit known here; write its UCUM code, such as {hint}, or what is counted in braces'
    )


def written_unit(code: str) -> str:
    """The unit as people write it: `HU` for [hnsf'U], `lesions` for {lesions}."""
    return code[1:-1] if COUNTED.fullmatch(code) else UNITS.get(code, code)
