"""Whose turn it is: the cases that wait for one reviewer's verdict, over all their studies."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from dicom_ingest.models import Exam
from portal.access import Capability, exams_where, roles_with
from portal.models import User
from studies.models import ENROLLING, ArmFinding, Case, Membership, QCReview, Study
from studies.quality import spread

LOOKED_AHEAD = 20
REVIEWERS = roles_with(Capability.REVIEW_QUALITY)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How much waits for one reviewer. disputed: cases on which they and others disagree."""

    count: int
    urgent: int
    disputed: int


def studies_of(user: User) -> QuerySet[Study]:
    """The studies in which `user` checks cases."""
    if user.is_superuser:
        return Study.objects.all()
    mine = Membership.objects.in_force().filter(user=user, role__in=REVIEWERS)
    return Study.objects.filter(pk__in=mine.values("study"))


def reviews(user: User) -> bool:
    """Whether `user` checks cases in any study."""
    return studies_of(user).exists()


def cases_of(user: User) -> QuerySet[Case]:
    """Every case of the studies in which `user` checks cases, with its study, protocol and exam.

    None whose exam they read blinded, in whichever study: here they would learn which finding is whose.
    """
    seen = Exam.objects.filter(exams_where(user, Capability.REVIEW_QUALITY))
    cases = Case.objects.filter(study__in=studies_of(user), exam__in=seen)
    return cases.select_related("study__ae_title", "protocol", "exam")


def waiting_for(user: User) -> QuerySet[Case]:
    """The cases on which `user` has no verdict yet in their present round: urgent ones first, then the oldest.

    Each is annotated with `is_urgent`.
    """
    urgent = ArmFinding.objects.filter(case=OuterRef("pk"), replaced_at=None, result__is_urgent=True)
    open_cases = cases_of(user).filter(state=Case.State.AWAITING_QC, study__stage__in=ENROLLING)
    return (
        open_cases.exclude(_reviewed_by(user))
        .annotate(is_urgent=Exists(urgent))
        .order_by(F("is_urgent").desc(), "state_at", "pk")
    )


def disputed_by(user: User) -> QuerySet[Case]:
    """The cases that wait although `user` and another gave verdicts in their present round: they disagree."""
    others = _in_round().exclude(reviewer=user)
    open_cases = cases_of(user).filter(state=Case.State.AWAITING_QC, study__stage__in=ENROLLING)
    return open_cases.filter(_reviewed_by(user), Exists(others)).order_by("state_at", "pk")


def waiting(user: User) -> Waiting | None:
    """How much waits for `user`; None for who checks no cases. Three queries."""
    if not reviews(user):
        return None
    counts = waiting_for(user).order_by().aggregate(count=Count("pk"), urgent=Count("pk", filter=Q(is_urgent=True)))
    return Waiting(count=counts["count"], urgent=counts["urgent"], disputed=disputed_by(user).count())


def next_of(user: User, *, skipped: Collection[int] = ()) -> list[Case]:
    """The case whose turn it is, and the one after it.

    Those that others have in front come behind the rest of the next few; skipped ones when there are no others.
    """
    waiting_cases = waiting_for(user)
    first = list(waiting_cases.exclude(pk__in=skipped)[:LOOKED_AHEAD]) or list(waiting_cases[:LOOKED_AHEAD])
    return spread.free_first(first, user)[:2]


def _in_round() -> QuerySet[QCReview]:
    return QCReview.objects.filter(case=OuterRef("pk"), round=OuterRef("qc_round"))


def _reviewed_by(user: User) -> Exists:
    return Exists(_in_round().filter(reviewer=user))
