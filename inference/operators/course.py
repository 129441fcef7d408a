"""How a lesion's course is judged from its volumes at the patient's exams."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inference.operators.registry import operator
from inference.operators.units import Percent
from inference.operators.values import Classification, History, Measurement, SourceSeries

BASELINE, COMPLETE, PARTIAL, STABLE, PROGRESSION = (
    "baseline",
    "complete response",
    "partial response",
    "stable",
    "progression",
)
CLASSES = (BASELINE, COMPLETE, PARTIAL, STABLE, PROGRESSION)


@operator("course-of-volume", version="1")
def course_of_volume(
    current: Measurement,
    history: History,
    series: SourceSeries,
    *,
    measurement: Annotated[str, Field(min_length=1)],
    growth: Annotated[Percent, Field(gt=0)] = 40.0,
    shrinkage: Annotated[Percent, Field(gt=0, le=100)] = 65.0,
) -> Classification:
    """Progression, stable, partial or complete response, by volume; `baseline` at the first exam that measured it.

    measurement: the name under which the pipeline keeps the volume. Progression is growth against the smallest earlier
    volume, response is shrinkage against the first. The limits for volumes are those of RANO 2.0 (Wen et al.,
    Journal of Clinical Oncology 41, 2023): 40 % and 65 %; its other criteria (enhancement, steroids, the clinical
    state, a second exam that confirms) are not looked at. A lesion where there was none is progression. The
    probability of the class is 1: it is a rule, not a model.
    """
    earlier = [
        result.measurements[measurement].value
        for result in history.results
        if measurement in result.measurements and result.measurements[measurement].unit == current.unit
    ]
    label = _course(current.value, earlier, growth=growth, shrinkage=shrinkage) if earlier else BASELINE
    return Classification(
        label=label,
        probabilities={one: float(one == label) for one in CLASSES},
        sop_instance_uids=tuple(str(instance.SOPInstanceUID) for instance in series.instances),
    )


def _course(current: float, earlier: list[float], *, growth: float, shrinkage: float) -> str:
    first, lowest = earlier[0], min(earlier)
    if current > 0 and current >= lowest * (1 + growth / 100):
        return PROGRESSION
    if current == 0 and first > 0:
        return COMPLETE
    return PARTIAL if first > 0 and current <= first * (1 - shrinkage / 100) else STABLE
