"""Roles by groups of the hospital's directory: made and withdrawn as people come to the groups and leave them."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.timezone import now

from portal.access import Role
from portal.accounts.models import DirectoryAccount
from portal.accounts.names import group_key
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.models import GroupGrant, Membership, Study
from studies.people import members

Source = Membership.Source
Wanted = dict[tuple[int, str], str]  # study and role: reader role


class AlreadyGranted(Exception):
    """The group has the role already."""


def grant(study: Study, group: str, role: Role, *, reader_role: str = "", by: User) -> GroupGrant:
    """Give the role to everybody in the group, at once to those whom the portal knows. Raises AlreadyGranted."""
    try:
        with transaction.atomic():
            made = GroupGrant.objects.create(
                study=study, group=group_key(group), role=role, reader_role=reader_role, granted_by=by
            )
            _apply_to_everybody_in(made.group)
            _record(Action.GROUP_GRANTED, made)
    except IntegrityError as fault:
        raise AlreadyGranted(f"This group is {role.label.lower()} of the study already.") from fault
    return made


@transaction.atomic
def withdraw(grant: GroupGrant) -> None:
    """Take the role from everybody who has it by this group alone."""
    if GroupGrant.objects.in_force().filter(pk=grant.pk).update(withdrawn_at=now()):
        _apply_to_everybody_in(grant.group)
        _record(Action.GROUP_GRANT_WITHDRAWN, grant)


def _record(action: Action, grant: GroupGrant) -> None:
    said = {"group": grant.group, "role": grant.role, "kind": grant.reader_role}
    trail.record(action, of=f"group grant:{grant.pk}", study=grant.study.slug, detail=said)


@transaction.atomic
def apply(user: User, groups: frozenset[str]) -> None:
    """Give `user` what grants to `groups` (DNs as `group_key` writes them) say, and nothing more by groups.

    A role that the user has by invitation is left alone, whatever the groups say.
    """
    members.lock(user)
    wanted = _wanted(groups)
    held = list(Membership.objects.in_force().filter(user=user).select_related("study", "user"))
    over = [one for one in held if one.source == Source.GROUP and wanted.get(_of(one)) != one.reader_role]
    kept = {_of(one) for one in held if one not in over}
    new = [
        Membership(study_id=study, user=user, role=role, reader_role=reader_role, source=Source.GROUP)
        for (study, role), reader_role in wanted.items()
        if (study, role) not in kept
    ]
    with trail.acting(None, via=trail.Via.SYSTEM):  # whoever signs in, the group does it
        members.end(over)
        members.begin(new)


def _of(membership: Membership) -> tuple[int, str]:
    return membership.study_id, membership.role


def _wanted(groups: frozenset[str]) -> Wanted:
    wanted: Wanted = {}
    for grant in GroupGrant.objects.in_force().filter(group__in=groups):
        wanted.setdefault((grant.study_id, grant.role), grant.reader_role)
    return wanted


def _apply_to_everybody_in(group: str) -> None:
    for account in DirectoryAccount.objects.filter(groups__contains=[group]).select_related("user"):
        apply(account.user, frozenset(account.groups))
