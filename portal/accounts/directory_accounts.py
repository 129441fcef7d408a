"""Keeping accounts in step with what the directory says of them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from portal.accounts.entries import Entry
from portal.accounts.models import DirectoryAccount
from portal.accounts.names import group_key
from portal.audit import trail
from portal.audit.actions import Action
from portal.ldap_settings import LDAPSettings
from portal.models import User

log = logging.getLogger(__name__)

ApplyGroups = Callable[[User, frozenset[str]], None]


class _Provider:
    """The function that `studies` registers."""

    apply_groups: ApplyGroups | None = None


def register(*, apply_groups: ApplyGroups) -> None:
    """Let `studies` make and withdraw what a user's groups (DNs in lower case) grant, in the caller's transaction."""
    _Provider.apply_groups = staticmethod(apply_groups)


@transaction.atomic
def confirm(user: User, entry: Entry) -> None:
    """Keep that the directory has `user` as `entry`, and give and take what the groups grant."""
    account, is_new = DirectoryAccount.objects.select_for_update().get_or_create(user=user)
    was_closed = bool(account.closed)
    account.dn, account.groups = entry.dn, sorted(entry.groups)
    account.confirmed_at = now()
    account.closed, account.closed_at = "", None
    account.save()
    _administrate(user, entry)
    _apply(user, entry.groups)
    if is_new:
        _record(Action.ACCOUNT_MADE, user)
    elif was_closed:
        _record(Action.ACCOUNT_OPENED, user)


@transaction.atomic
def close(account: DirectoryAccount, because: DirectoryAccount.Closed) -> None:
    """Let nobody in by `account` any more until the directory has it again, unlocked.

    What an account that is gone had by its groups is withdrawn; a locked one keeps it, of no use meanwhile.
    """
    if account.closed != because:
        account.closed, account.closed_at = because, now()
        log.warning("An account is closed: %s (user %s).", because.label.lower(), account.user_id)
        _record(Action.ACCOUNT_CLOSED, account.user, kind=because.value)
    account.confirmed_at = now()
    if because == DirectoryAccount.Closed.GONE:
        account.groups = []
        _administrate(account.user, None)
        _apply(account.user, frozenset())
    account.save()


def _administrate(user: User, entry: Entry | None) -> None:
    """Make an administrator of the portal who is in the group for it, and no longer who is not."""
    config: LDAPSettings = settings.OVERREAD_LDAP
    if not config.admin_group:
        return
    is_admin = entry is not None and group_key(config.admin_group) in entry.groups
    if (user.is_superuser, user.is_staff) != (is_admin, is_admin):
        user.is_superuser = user.is_staff = is_admin
        user.save(update_fields=["is_superuser", "is_staff"])
        _record(Action.ADMINISTRATION_GRANTED if is_admin else Action.ADMINISTRATION_WITHDRAWN, user)


def _record(action: Action, user: User, **said: str) -> None:
    with trail.acting(None, via=trail.Via.SYSTEM):  # the directory does it, whoever signs in meanwhile
        trail.record(action, of=f"user:{user.pk}", detail={"user": user.get_username(), **said})


def _apply(user: User, groups: frozenset[str]) -> None:
    if _Provider.apply_groups is not None:
        _Provider.apply_groups(user, groups)
