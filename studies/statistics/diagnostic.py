"""How well a yes-or-no finding hits a yes-or-no truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from studies.statistics.estimate import LEVEL, NotComputable
from studies.statistics.proportions import Proportion, proportion


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """The four counts of findings against the truth."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def of(self) -> int:
        return self.true_positives + self.false_positives + self.false_negatives + self.true_negatives


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What the four counts come to, each a proportion with its own denominator."""

    confusion: Confusion
    sensitivity: Proportion | NotComputable
    specificity: Proportion | NotComputable
    positive_predictive_value: Proportion | NotComputable
    negative_predictive_value: Proportion | NotComputable
    accuracy: Proportion | NotComputable


def confusion(pairs: Iterable[tuple[bool, bool]]) -> Confusion:
    """Count pairs of (truth, finding)."""
    counted = [(bool(true), bool(found)) for true, found in pairs]
    return Confusion(
        true_positives=counted.count((True, True)),
        false_positives=counted.count((False, True)),
        false_negatives=counted.count((True, False)),
        true_negatives=counted.count((False, False)),
    )


def accuracy(counts: Confusion, *, level: float = LEVEL) -> Accuracy:
    """Sensitivity, specificity, predictive values and accuracy with Wilson's intervals.

    The predictive values hold for the share of positives in this sample alone: where cases were chosen by their truth
    (a case-control sample) they say nothing of practice.
    """
    yes, no = counts.true_positives, counts.true_negatives

    def share(successes: int, failures: int, what: str) -> Proportion | NotComputable:
        return proportion(successes, successes + failures, what=what, level=level)

    return Accuracy(
        confusion=counts,
        sensitivity=share(yes, counts.false_negatives, "cases that are positive in truth"),
        specificity=share(no, counts.false_positives, "cases that are negative in truth"),
        positive_predictive_value=share(yes, counts.false_positives, "positive findings"),
        negative_predictive_value=share(no, counts.false_negatives, "negative findings"),
        accuracy=share(yes + no, counts.of - yes - no, "cases with a finding and a truth"),
    )
