"""What the reviews of a case come to, by its protocol's rule: one reviewer, or two who agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.models import Case, QCReview


@dataclass(frozen=True)
class QCVerdict:
    """What enough reviewers agree on. reason: theirs for rejecting."""

    is_accepted: bool
    reason: str = ""


def of(case: Case) -> QCVerdict | None:
    """The verdict on the case in its present round; None while reviewers are too few, or do not agree."""
    reviews = counting(case)
    needed = case.protocol.content.quality_control.reviewers
    accepted = [one for one in reviews if one.verdict == QCReview.Verdict.ACCEPT]
    rejected = [one for one in reviews if one.verdict == QCReview.Verdict.REJECT]
    if len(accepted) >= needed:
        return QCVerdict(is_accepted=True)
    if len(rejected) >= needed:
        return QCVerdict(is_accepted=False, reason=", ".join(dict.fromkeys(one.reason for one in rejected)))
    return None


def counting(case: Case) -> Sequence[QCReview]:
    """Each reviewer's newest review in the case's present round, in the order in which they came."""
    newest = {review.reviewer_id: review for review in _in_round(case)}
    return tuple(newest.values())


def is_disputed(reviews: Sequence[QCReview]) -> bool:
    """Whether the reviewers disagree."""
    return len({review.verdict for review in reviews}) > 1


def _in_round(case: Case) -> Sequence[QCReview]:
    reviews = case.qc_reviews.filter(round=case.qc_round).select_related("reviewer")
    return list(reviews.order_by("reviewed_at", "pk"))
