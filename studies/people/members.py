"""Who is a member of a study: roles are granted and withdrawn here, and nowhere else but the administration."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.timezone import now

from portal.access import Role
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.models import Membership, Study

Source = Membership.Source


class NotWithdrawn(Exception):
    """A membership that has to stay for now. The message says why, and what to do."""


LAST_COORDINATOR = (
    "{name} is the only coordinator of this study, and a study is never without one: "
    "invite another coordinator first, then withdraw this role."
)
BY_GROUP = (
    "{name} has this role by a group of the hospital's directory and would get it back at once: have {name} taken out "
    "of the group, or withdraw the grant to the group."
)


@transaction.atomic
def grant(study: Study, user: User, role: Role, *, source: Source, reader_role: str = "") -> tuple[Membership, bool]:
    """Make `user` hold `role` in the study; the membership, and whether it is new.

    Who holds the role already keeps it as it is.
    """
    lock(user)
    held = Membership.objects.in_force().filter(study=study, user=user, role=role).first()
    if held is not None:
        return held, False
    made = Membership(study=study, user=user, role=role, reader_role=reader_role, source=source)
    begin([made])
    return made, True


@transaction.atomic
def withdraw(membership: Membership) -> None:
    """Let its holder no longer have the role. Raises NotWithdrawn."""
    study = Study.objects.select_for_update().get(pk=membership.study_id)
    if membership.source == Source.GROUP:
        raise NotWithdrawn(BY_GROUP.format(name=name_of(membership.user)))
    if membership.role == Role.COORDINATOR and not _others_coordinate(study, membership.user):
        raise NotWithdrawn(LAST_COORDINATOR.format(name=name_of(membership.user)))
    end([membership])


def begin(memberships: Sequence[Membership]) -> None:
    """Save new memberships, and put them on record. Within the caller's transaction."""
    for one in Membership.objects.bulk_create(memberships):
        _record(Action.ROLE_GRANTED, one)


def end(memberships: Sequence[Membership]) -> None:
    """Withdraw those of them that are in force, and put that on record. Within the caller's transaction."""
    in_force = Membership.objects.in_force()
    for one in memberships:
        if in_force.filter(pk=one.pk).update(withdrawn_at=now()):
            _record(Action.ROLE_WITHDRAWN, one)


def _record(action: Action, one: Membership) -> None:
    said = {"user": one.user.get_username(), "role": one.role, "kind": one.reader_role, "source": one.source}
    trail.record(action, of=f"membership:{one.pk}", study=one.study.slug, detail=said)


def lock(user: User) -> None:
    """Let no other transaction grant or withdraw roles of `user` before this one ends."""
    User.objects.select_for_update().get(pk=user.pk)


def reader_roles(study: Study) -> list[tuple[str, str]]:
    """The kinds of reader that the study's newest protocol tells apart: key and label."""
    newest = study.protocols.first()
    return [(each.key, each.label) for each in newest.content.reader_roles] if newest else []


def name_of(user: User) -> str:
    """How pages call a person."""
    return user.get_full_name() or user.get_username()


def _others_coordinate(study: Study, user: User) -> bool:
    coordinators = Membership.objects.in_force().filter(study=study, role=Role.COORDINATOR, user__is_active=True)
    return coordinators.exclude(user=user).exists()
