"""A measurement against what the same pipeline measured in the patient's earlier exams."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inference.errors import NotMeasurable
from inference.operators.registry import operator
from inference.operators.values import History, Measurement

Baseline = Literal["first", "previous", "lowest"]


@operator("change-against-baseline", version="1")
def change_against_baseline(
    current: Measurement,
    history: History,
    *,
    measurement: Annotated[str, Field(min_length=1)],
    baseline: Baseline = "first",
) -> Measurement:
    """Change against an earlier exam, in percent of it: 100 (current - baseline) / baseline.

    measurement: the name under which the pipeline keeps the value; baseline: the first exam, the previous one, or the
    one with the lowest value, as progression is judged from the nadir in RECIST 1.1 and RANO. Raises NotMeasurable when
    no earlier exam has the value in this unit, or when it was zero.
    """
    earlier = [
        result.measurements[measurement].value
        for result in history.results
        if measurement in result.measurements and result.measurements[measurement].unit == current.unit
    ]
    if not earlier:
        raise NotMeasurable(
            f"No change can be given: no earlier exam of the patient has a {measurement} to compare with."
        )
    reference = {"first": earlier[0], "previous": earlier[-1], "lowest": min(earlier)}[baseline]
    if reference == 0:
        raise NotMeasurable(f"No change in percent can be given: the {baseline} {measurement} was zero.")
    return Measurement(100 * (current.value - reference) / reference, "%")
