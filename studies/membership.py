"""What a user's memberships let them see."""

from django.db.models import Q

from portal.access import Role
from portal.models import User
from studies.models import Membership


def exam_scope(user: User, roles: frozenset[Role]) -> Q:
    """The condition on Exam that keeps those enrolled in a study where `user` holds one of `roles`."""
    granted = Membership.objects.filter(user=user, role__in=roles).values("study_id")
    return Q(cases__study_id__in=granted)


def roles_of(user: User) -> frozenset[Role]:
    """The roles that `user` holds in any study."""
    return frozenset(Role(role) for role in Membership.objects.filter(user=user).values_list("role", flat=True))
