"""What the reviews of a case come to, by its protocol's rule: one reviewer, or two who agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.models import User
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
    return counting_of(case, list(case.qc_reviews.select_related("reviewer")))


def counting_of(case: Case, reviews: Sequence[QCReview]) -> Sequence[QCReview]:
    """The same of all reviews of the case, which are at hand."""
    in_round = sorted((one for one in reviews if one.round == case.qc_round), key=lambda one: (one.reviewed_at, one.pk))
    return tuple({review.reviewer_id: review for review in in_round}.values())


def known_to(reviewer: User, case: Case, given: Sequence[QCReview]) -> Sequence[QCReview]:
    """Of those that count, what a reviewer may know: while the case waits, nothing before they gave their own."""
    if case.state != Case.State.AWAITING_QC or any(one.reviewer_id == reviewer.pk for one in given):
        return given
    return ()


def is_disputed(reviews: Sequence[QCReview]) -> bool:
    """Whether the reviewers disagree."""
    return len({review.verdict for review in reviews}) > 1
