"""A study's members and grants as its page of members shows them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain

from django.db.models import Q

from portal.accounts.entrance import directory_account
from portal.accounts.models import DirectoryAccount
from studies.models import GroupGrant, Invitation, Membership, Study
from studies.people.members import name_of, reader_roles

FORMER_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class MemberLine:
    """One role of one person. `by` says what granted it; `trouble` why the person cannot come in, if so."""

    membership: Membership
    name: str
    kind: str
    by: str
    trouble: str

    @property
    def is_by_group(self) -> bool:
        return self.membership.source == Membership.Source.GROUP


@dataclass(frozen=True, kw_only=True)
class GroupLine:
    """A group's grant, and how many the portal knows who are in it."""

    grant: GroupGrant
    kind: str
    known: int


@dataclass(frozen=True, kw_only=True)
class InvitationLine:
    """An invitation that nobody accepted yet."""

    invitation: Invitation
    kind: str


def member_lines(study: Study) -> list[MemberLine]:
    """Everybody who has a role now, by role and name."""
    held = study.memberships.in_force().select_related("user__directory_account", "invitation__invited_by")
    kinds, groups = dict(reader_roles(study)), list(study.group_grants.in_force())
    return [_line(one, kinds, groups) for one in held.order_by("role", "user__last_name", "user__username")]


def former_members(study: Study) -> list[Membership]:
    """The roles that were withdrawn, the latest first."""
    withdrawn = study.memberships.filter(~Q(withdrawn_at=None)).select_related("user")
    return list(withdrawn.order_by("-withdrawn_at")[:FORMER_SHOWN])


def invitation_lines(study: Study) -> list[InvitationLine]:
    """The invitations that wait, the latest first."""
    kinds = dict(reader_roles(study))
    waiting = study.invitations.waiting().select_related("invited_by")
    return [InvitationLine(invitation=one, kind=kinds.get(one.reader_role, one.reader_role)) for one in waiting]


def group_lines(study: Study) -> list[GroupLine]:
    """The grants to groups."""
    kinds = dict(reader_roles(study))
    known = Counter(chain.from_iterable(DirectoryAccount.objects.filter(closed="").values_list("groups", flat=True)))
    return [
        GroupLine(grant=grant, kind=kinds.get(grant.reader_role, grant.reader_role), known=known[grant.group])
        for grant in study.group_grants.in_force().select_related("granted_by")
    ]


def _line(one: Membership, kinds: dict[str, str], groups: list[GroupGrant]) -> MemberLine:
    return MemberLine(
        membership=one,
        name=name_of(one.user),
        kind=kinds.get(one.reader_role, one.reader_role),
        by=_by(one, groups),
        trouble=_trouble(one),
    )


def _by(one: Membership, groups: list[GroupGrant]) -> str:
    if one.source == Membership.Source.GROUP:
        return next((f"Group {_short(each)}" for each in groups if _explains(each, one)), "Directory group")
    invitation = getattr(one, "invitation", None)
    if invitation is not None:
        return f"Invitation by {name_of(invitation.invited_by)}"
    return one.get_source_display()


def _explains(grant: GroupGrant, one: Membership) -> bool:
    account = directory_account(one.user)
    return grant.role == one.role and account is not None and grant.group in account.groups


def _short(grant: GroupGrant) -> str:
    """The first part of a DN, which is the group's own name."""
    return grant.group.partition(",")[0].partition("=")[2]


def _trouble(one: Membership) -> str:
    if not one.user.is_active:
        return "Account switched off"
    account = directory_account(one.user)
    return account.get_closed_display() if account is not None and account.closed else ""
