"""What a user's memberships let them see."""

from django.db.models import Exists, OuterRef, Q

from portal.access import Role
from portal.models import User
from studies.models import Case, Membership


def exam_scope(user: User, roles: frozenset[Role]) -> Q:
    """The condition on Exam that keeps those enrolled in a study where `user` holds one of `roles`.

    A subquery, not a join: an exam of two studies is one row, and a search may stop at the end of its page.
    """
    granted = Membership.objects.filter(user=user, role__in=roles).values("study_id")
    return Q(Exists(Case.objects.filter(exam=OuterRef("pk"), study__in=granted)))


def ae_title_scope(user: User, roles: frozenset[Role]) -> Q:
    """The condition on AETitle that keeps those of studies where `user` holds one of `roles`."""
    granted = Membership.objects.filter(user=user, role__in=roles).values("study_id")
    return Q(study__in=granted)


def roles_of(user: User) -> frozenset[Role]:
    """The roles that `user` holds in any study."""
    return frozenset(Role(role) for role in Membership.objects.filter(user=user).values_list("role", flat=True))
