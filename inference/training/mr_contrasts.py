"""What tissues look like in a sequence: signals relative to white matter on T1 or to grey matter on FLAIR."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Contrast:
    """Signals, in any one unit. `core` and `oedema` are a lesion's parts, `rim` is the shell of its core."""

    name: str
    white: float
    grey: float
    fluid: float
    fat: float
    skin: float
    core: float
    oedema: float
    rim: float


FLAIR = Contrast("FLAIR", white=0.62, grey=0.78, fluid=0.12, fat=0.80, skin=0.55, core=1.18, oedema=1.05, rim=1.22)
T1 = Contrast("T1", white=1.00, grey=0.76, fluid=0.30, fat=1.40, skin=0.70, core=0.58, oedema=0.70, rim=0.60)


def varied(contrast: Contrast, random: np.random.Generator, *, spread: float = 0.07) -> Contrast:
    """The contrast with every signal changed at random by a factor of standard deviation `spread`."""
    signals = [field.name for field in fields(contrast) if field.name != "name"]
    factors = np.exp(spread * np.clip(random.standard_normal(len(signals)), -2, 2))
    changed: dict[str, Any] = {
        name: float(getattr(contrast, name) * factor) for name, factor in zip(signals, factors, strict=True)
    }
    return replace(contrast, **changed)
