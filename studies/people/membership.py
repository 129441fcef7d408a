"""What a user's memberships let them see.

Whoever is a reader (or annotator, or adjudicator) of a study whose readers are blinded sees its exams in their reads
only: no other page, search or DICOMweb path shows them, for there a finding's maker could be told. That holds until the
study is closed, whatever else they are, in this study or in another that has the same exam.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.access import Role
from portal.models import User
from studies.models import Case, Membership, Study

BLINDABLE = frozenset({Role.READER, Role.ANNOTATOR, Role.ADJUDICATOR})


def exam_scope(user: User, roles: frozenset[Role]) -> Q:
    """The condition on Exam that keeps those that are cases of a study where `user` holds one of `roles`.

    A subquery, not a join: an exam of two studies is one row, and a search may stop at the end of its page.
    """
    of_exam = Case.objects.filter(exam=OuterRef("pk"))
    granted = of_exam.filter(study__in=_granting(user, roles).values("study_id"))
    blinded = of_exam.filter(study__in=_blinding(user).values("study_id"))
    return Q(Exists(granted)) & ~Q(Exists(blinded))


def ae_title_scope(user: User, roles: frozenset[Role]) -> Q:
    """The condition on AETitle that keeps those of studies where `user` holds one of `roles`."""
    return Q(study__in=_granting(user, roles).values("study_id"))


def roles_of(user: User) -> frozenset[Role]:
    """The roles that `user` holds in any study."""
    held = Membership.objects.in_force().filter(user=user)
    return frozenset(Role(role) for role in held.values_list("role", flat=True))


def _granting(user: User, roles: frozenset[Role]) -> QuerySet[Membership]:
    blinded = Q(role__in=BLINDABLE, study__readers_are_blinded=True)
    return Membership.objects.in_force().filter(user=user, role__in=roles).exclude(blinded)


def _blinding(user: User) -> QuerySet[Membership]:
    """What keeps exams from `user` until the study is closed."""
    held = Membership.objects.in_force().filter(user=user, role__in=BLINDABLE, study__readers_are_blinded=True)
    return held.exclude(study__stage=Study.Stage.CLOSED)


def studies_of_exam(user: User | None, exam: str) -> list[str]:
    """The slugs of the studies that hold the exam with that StudyInstanceUID as a case: those of `user`, or all."""
    holding = Study.objects.filter(cases__exam__study_instance_uid=exam)
    if user is not None:
        holding = holding.filter(pk__in=Membership.objects.in_force().filter(user=user).values("study_id"))
    return list(holding.order_by("slug").values_list("slug", flat=True))
