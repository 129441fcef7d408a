"""What can be followed over a patient's exams: each measurement of a result, and sums of several lesions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from feedback.course.rules import Rule, rules_for
from feedback.subject import key_of
from inference.models import Measurement, PipelineVersion, Result

VOLUME = ("118565006", "SCT")
CHANGES = frozenset({"change-against-baseline"})
"""Operators whose numbers are changes already: the course of a change says nothing."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One measurement, or the sum of those of several lesions.

    parts: the measurements' names. rules: those that judge it. alert_percent: the change that the pipeline flags.
    """

    key: str
    name: str
    unit: str
    parts: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    alert_percent: float | None = None


def quantities_of(viewed: Result, results: Sequence[Result]) -> list[Quantity]:
    """What `viewed` measured, in its pipeline's order, and after that the sums that rules judge over `results`."""
    rules = rules_for(viewed.job.pipeline.name)
    derived = _derived(viewed.job.pipeline)
    single = [_single(one, rules, results) for one in viewed.measurements.all() if one.name not in derived]
    sums = [_sum(rule, names) for rule in rules if len(names := _named_by(rule, results)) > 1]
    return [*single, *sums]


def volumes_of(pipeline: PipelineVersion) -> dict[str, str]:
    """The structure of each measurement that the pipeline's definition codes as a structure's volume, by its name.

    A measurement of no named segment is of the only one, where there is one only.
    """
    segments = {one["number"]: one["label"] for one in _outputs(pipeline, "segments")}
    only = next(iter(segments)) if len(segments) == 1 else None
    return {
        one["name"]: segments[number]
        for one in _outputs(pipeline, "measurements")
        if (one["concept"]["value"], one["concept"]["scheme"]) == VOLUME
        and (number := one.get("segment") or only) in segments
    }


def _single(measurement: Measurement, rules: Iterable[Rule], results: Sequence[Result]) -> Quantity:
    return Quantity(
        key=key_of(measurement.name),
        name=measurement.name,
        unit=measurement.unit,
        parts=(measurement.name,),
        rules=tuple(rule for rule in rules if _named_by(rule, results) == (measurement.name,)),
        alert_percent=measurement.alert_change_percent,
    )


def _sum(rule: Rule, names: tuple[str, ...]) -> Quantity:
    return Quantity(key=rule.name, name=rule.quantity, unit=rule.unit, parts=names, rules=(rule,))


def _named_by(rule: Rule, results: Iterable[Result]) -> tuple[str, ...]:
    """The measurements of all the exams that the rule is for, in its unit, each once."""
    found: dict[str, None] = {}
    for result in results:
        target = rule.target_in(result.job.pipeline.name)
        for one in result.measurements.all():
            if target and target.names(one.name) and one.unit == rule.unit:
                found[one.name] = None
    return tuple(found)


def _derived(pipeline: PipelineVersion) -> frozenset[str]:
    steps = {step["id"] for step in pipeline.definition.get("steps", []) if step["operator"] in CHANGES}
    return frozenset(one["name"] for one in _outputs(pipeline, "measurements") if one["step"] in steps)


def _outputs(pipeline: PipelineVersion, kind: str) -> list[dict[str, Any]]:
    """What the definition says of one kind of output, as it was registered."""
    return list(pipeline.definition.get("outputs", {}).get(kind, []))
