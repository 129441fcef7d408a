"""Why a result asks to be read before others, in the words of its pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inference.models import Finding, Result


@dataclass(frozen=True)
class Cause:
    """A class or finding that the pipeline's triage names, and its highest probability in the exam."""

    label: str
    probability: float

    @property
    def percent(self) -> float:
        return 100 * self.probability


def causes(result: Result) -> list[Cause]:
    """What made `result` urgent, the most probable first; nothing when it is not.

    Asks no query where `findings` and the job's pipeline are fetched already.
    """
    return causes_among(result.findings.all(), result) if result.is_urgent else []


def causes_among(findings: Iterable[Finding], result: Result) -> list[Cause]:
    """The same, of `findings` that are at hand already."""
    rule = result.job.pipeline.definition.get("outputs", {}).get("triage") if result.is_urgent else None
    if not rule:
        return []
    kept = list(findings)
    named = [Cause(label, _probability(kept, label)) for label in rule["urgent_when"]]
    return sorted((one for one in named if one.probability > rule["above"]), key=lambda one: -one.probability)


def _probability(findings: Iterable[Finding], label: str) -> float:
    return max((float(one.probabilities.get(label, 0.0)) for one in findings), default=0.0)
