"""What one exam holds of a quantity: the AI's values, and what people corrected them to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from dicom_ingest.models import Exam
from feedback.course.choice import CORRECTED, Choice
from feedback.course.corrected import CorrectedVolumes
from feedback.course.quantities import Quantity
from inference.models import Measurement, Result

Lesions = Mapping[str, float | None]
"""Values by the name of their measurement; None where an exam has none in the quantity's unit."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One exam. corrected: by lesion, the AI's value where nobody corrected it; other: a value in another unit."""

    exam: Exam
    result: Result | None
    ai: Lesions
    corrected: Lesions
    correction: CorrectedVolumes | None
    other: Measurement | None

    @property
    def on(self) -> date | None:
        return self.exam.study_date

    def lesions(self, choice: Choice) -> Lesions:
        """The values that `choice` counts with."""
        return self.corrected if choice.values == CORRECTED else self.ai

    @property
    def is_anything(self) -> bool:
        """Whether there is a value that could be a baseline's."""
        return any(value is not None for value in self.corrected.values())


def see(exam: Exam, result: Result | None, quantity: Quantity, corrections: Mapping[Result, CorrectedVolumes]) -> Seen:
    """What `result` and its correction say of the quantity. No query."""
    measured = {one.name: one for one in result.measurements.all()} if result else {}
    found = [measured[name] for name in quantity.parts if name in measured]
    usable = {one.name: one.value for one in found if one.unit == quantity.unit and math.isfinite(one.value)}
    ai = {name: usable.get(name) for name in quantity.parts}
    correction = corrections.get(result) if result else None
    changed = {name: ml for name, ml in correction.ml.items() if name in ai} if correction else {}
    return Seen(
        exam=exam,
        result=result,
        ai=ai,
        corrected={**ai, **changed},
        correction=correction if changed else None,
        other=next((one for one in found if one.name not in usable), None),
    )
