"""How quality control went: what it let through, how far two reviewers agree, how long a verdict took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from studies.cases import qc_verdict
from studies.evidence.scope import Scope, cases_in
from studies.evidence.shape import Line, Missing, QualityControl, Whose
from studies.models import Case, QCReview
from studies.statistics.kappa import fleiss
from studies.statistics.proportions import proportion
from studies.statistics.times import duration

Verdict = QCReview.Verdict
Reviews = dict[Case, list[QCReview]]


def of(scope: Scope) -> QualityControl:
    """Of every case that went to QC, whatever became of it. One query."""
    found = QCReview.objects.filter(cases_in(scope, "case__")).select_related("case").order_by("reviewed_at", "pk")
    every: Reviews = defaultdict(list)
    for review in found:
        every[review.case].append(review)
    counting = {case: list(qc_verdict.counting_of(case, reviews)) for case, reviews in every.items()}
    rejected = [case for case in counting if case.state == Case.State.QC_REJECTED]
    reasons = Counter(
        reason
        for case in rejected
        for reason in {one.reason for one in counting[case] if one.verdict == Verdict.REJECT}
    )
    lines = (_accepted(counting), *_agreement(counting), _times([one for each in every.values() for one in each]))
    return QualityControl(lines=lines if every else (), rejections=dict(reasons.most_common()))


def _accepted(counting: Reviews) -> Line:
    waiting = sum(case.state == Case.State.AWAITING_QC for case in counting)
    rejected = sum(case.state == Case.State.QC_REJECTED for case in counting)
    decided = len(counting) - waiting
    return Line(
        whose=Whose(),
        what="Accepted",
        answer=proportion(decided - rejected, decided, what="cases that QC decided"),
        expected=len(counting),
        missing=(Missing(count=waiting, reason="not decided yet"),) if waiting else (),
    )


def _agreement(counting: Reviews) -> Iterator[Line]:
    """Between two reviewers, where any case has two."""
    two = [reviews for reviews in counting.values() if len(reviews) > 1]
    if not two:
        return
    alone = len(counting) - len(two)
    missing = (Missing(count=alone, reason="checked by one reviewer"),) if alone else ()
    same = sum(not qc_verdict.is_disputed(reviews) for reviews in two)
    counts = [[sum(one.verdict == verdict for one in reviews) for verdict in Verdict] for reviews in two]
    for what, answer in (
        ("Cases on which reviewers agree", proportion(same, len(two))),
        ("Fleiss' kappa between reviewers", fleiss(counts)),
    ):
        yield Line(whose=Whose(), what=what, answer=answer, expected=len(counting), missing=missing)


def _times(reviews: list[QCReview]) -> Line:
    measured = [one.active_seconds for one in reviews if one.active_seconds is not None]
    left = len(reviews) - len(measured)
    return Line(
        whose=Whose(),
        what="Active time of a verdict",
        answer=duration(measured, what="times of verdicts"),
        unit="s",
        expected=len(reviews),
        missing=(Missing(count=left, reason="nobody measured it"),) if left else (),
    )
