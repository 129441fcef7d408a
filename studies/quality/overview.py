"""How the quality check of a study goes: how many, why rejected, how alike reviewers judge, and how long it takes them.

Agreement is that of first verdicts: those were given before any other of the case was known. Pilot cases count in the
pilot only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from inference.models import Job
from portal.models import User
from studies.models import Case, QCReview, Study
from studies.protocols import protocol
from studies.statistics.estimate import NotComputable
from studies.statistics.kappa import Kappa, cohen
from studies.statistics.times import Duration, duration

Verdict = QCReview.Verdict
Look = tuple[int, int]
"""A case and its round."""
LONGEST_LIST = 50


@dataclass(frozen=True, kw_only=True)
class ReviewerLine:
    """One reviewer. active, open: seconds a verdict, with the page in use, and from the case's being given out."""

    reviewer: User
    accepted: int
    rejected: int
    active: Duration | NotComputable
    open: Duration | NotComputable

    @property
    def given(self) -> int:
        return self.accepted + self.rejected


@dataclass(frozen=True, kw_only=True)
class PairLine:
    """Two reviewers and the cases on which both gave a first verdict in one round."""

    first: User
    second: User
    cases: int
    agreed: int
    kappa: Kappa | NotComputable

    @property
    def percent(self) -> float:
        return 100 * self.agreed / self.cases


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A case whose reviewers' first verdicts differ, with all verdicts of that round in their order."""

    case: Case
    round: int
    reviews: Sequence[QCReview]


@dataclass(frozen=True, kw_only=True)
class RunAgain:
    """A case that a person had run on other series."""

    case: Case
    job: Job


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The figures of one study. counts: cases by state."""

    is_checked: bool
    needed: int
    waiting: int
    oldest: datetime | None
    accepted: int
    rejected: int
    reasons: Sequence[tuple[str, int]]
    active: Duration | NotComputable
    reviewers: Sequence[ReviewerLine]
    pairs: Sequence[PairLine]
    disagreements: Sequence[Disagreement]
    run_again: Sequence[RunAgain]


def of(study: Study) -> Overview:
    """The overview of the study. Its number of queries does not depend on the number of cases."""
    cases = {case.pk: case for case in study.cases.filter(is_pilot=study.stage == Study.Stage.PILOT)}
    reviews = [
        one
        for one in QCReview.objects.filter(case__study=study).select_related("reviewer").order_by("reviewed_at", "pk")
        if one.case_id in cases
    ]
    control = protocol.current(study).content.quality_control
    newest = {(one.case_id, one.round, one.reviewer_id): one for one in reviews}
    waiting = [case for case in cases.values() if case.state == Case.State.AWAITING_QC]
    looks = _looks(reviews)
    decided = {one.case_id for one in reviews}
    return Overview(
        is_checked=control.required,
        needed=control.reviewers,
        waiting=len(waiting),
        oldest=min((case.state_at for case in waiting), default=None),
        accepted=sum(cases[pk].state == Case.State.ENROLLED for pk in decided),
        rejected=sum(case.state == Case.State.QC_REJECTED for case in cases.values()),
        reasons=Counter(one.reason for one in newest.values() if one.verdict == Verdict.REJECT).most_common(),
        active=_median(reviews, "active_seconds"),
        reviewers=_reviewers(reviews),
        pairs=_pairs(looks),
        disagreements=_disagreements(looks, reviews, cases),
        run_again=_run_again(cases.values()),
    )


def _looks(reviews: Iterable[QCReview]) -> dict[Look, dict[int, QCReview]]:
    """By case and round, each reviewer's first verdict."""
    looks: dict[Look, dict[int, QCReview]] = defaultdict(dict)
    for one in reviews:
        looks[one.case_id, one.round].setdefault(one.reviewer_id, one)
    return looks


def _median(reviews: Iterable[QCReview], field: str) -> Duration | NotComputable:
    measured = [seconds for one in reviews if (seconds := getattr(one, field)) is not None]
    return duration(measured, what="times of verdicts")


def _reviewers(reviews: Sequence[QCReview]) -> list[ReviewerLine]:
    by_reviewer: dict[int, list[QCReview]] = defaultdict(list)
    for one in reviews:
        by_reviewer[one.reviewer_id].append(one)
    lines = [
        ReviewerLine(
            reviewer=given[0].reviewer,
            accepted=sum(one.verdict == Verdict.ACCEPT for one in given),
            rejected=sum(one.verdict == Verdict.REJECT for one in given),
            active=_median(given, "active_seconds"),
            open=_median(given, "open_seconds"),
        )
        for given in by_reviewer.values()
    ]
    return sorted(lines, key=lambda line: line.reviewer.get_username())


def _pairs(looks: Mapping[Look, Mapping[int, QCReview]]) -> list[PairLine]:
    people: dict[int, User] = {}
    verdicts: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    for first in looks.values():
        people |= {pk: one.reviewer for pk, one in first.items()}
        for one, other in combinations(sorted(first), 2):
            verdicts[one, other].append((first[one].verdict, first[other].verdict))
    return [
        PairLine(
            first=people[one],
            second=people[other],
            cases=len(both),
            agreed=sum(mine == theirs for mine, theirs in both),
            kappa=cohen(both, list(Verdict.values)),
        )
        for (one, other), both in sorted(verdicts.items())
    ]


def _disagreements(
    looks: Mapping[Look, Mapping[int, QCReview]], reviews: Iterable[QCReview], cases: Mapping[int, Case]
) -> list[Disagreement]:
    differing = {look for look, first in looks.items() if len({one.verdict for one in first.values()}) > 1}
    of_look: dict[Look, list[QCReview]] = defaultdict(list)
    for one in reviews:
        if (one.case_id, one.round) in differing:
            of_look[one.case_id, one.round].append(one)
    found = [Disagreement(case=cases[pk], round=number, reviews=given) for (pk, number), given in of_look.items()]
    return sorted(found, key=lambda one: one.reviews[-1].reviewed_at, reverse=True)[:LONGEST_LIST]


def _run_again(cases: Iterable[Case]) -> list[RunAgain]:
    by_exam = {case.exam_id: case for case in cases}
    jobs = Job.objects.filter(exam__in=by_exam, chosen_by__isnull=False, rerun_of=None)
    newest = jobs.select_related("pipeline", "chosen_by").defer("log", "pipeline__definition").order_by("-created_at")
    return [RunAgain(case=by_exam[job.exam_id], job=job) for job in newest[:LONGEST_LIST]]
