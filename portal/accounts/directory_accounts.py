"""Keeping accounts in step with the directory: at sign-in, and every few seconds for whoever could still be in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from portal.accounts.directory import DirectoryIsAway, Entry, connected, look_up
from portal.accounts.models import DirectoryAccount
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
    account, _ = DirectoryAccount.objects.select_for_update().get_or_create(user=user)
    account.dn, account.groups = entry.dn, sorted(entry.groups)
    account.confirmed_at = now()
    account.closed, account.closed_at = "", None
    account.save()
    _administrate(user, entry)
    _apply(user, entry.groups)


@transaction.atomic
def close(account: DirectoryAccount, because: DirectoryAccount.Closed) -> None:
    """Let nobody in by `account` any more until the directory has it again, unlocked.

    What an account that is gone had by its groups is withdrawn; a locked one keeps it, of no use meanwhile.
    """
    if account.closed != because:
        account.closed, account.closed_at = because, now()
        log.warning("An account is closed: %s (user %s).", because.label.lower(), account.user_id)
    account.confirmed_at = now()
    if because == DirectoryAccount.Closed.GONE:
        account.groups = []
        _administrate(account.user, None)
        _apply(account.user, frozenset())
    account.save()


def check() -> None:
    """Ask the directory about everybody who could come in by a session or a token.

    Raises DirectoryIsAway, and then nothing is changed: accounts stand on what the directory said last for
    OVERREAD_LDAP_GRACE_SECONDS, and are not let in after that until it answers.
    """
    with connected() as connection:
        for account in _who_could_come_in():
            entry = look_up(connection, account.user.username)
            if entry is None:
                close(account, DirectoryAccount.Closed.GONE)
            elif entry.is_locked:
                close(account, DirectoryAccount.Closed.LOCKED)
            else:
                confirm(account.user, entry)


def check_and_log() -> None:
    """The same as background work: a directory that is away is told of in the log."""
    try:
        check()
    except DirectoryIsAway as fault:
        log.warning("%s Hospital accounts stay as they were for %s s.", fault, settings.OVERREAD_LDAP.grace_seconds)


def _who_could_come_in() -> QuerySet[DirectoryAccount]:
    """Accounts with an API token, or a sign-in that is no longer ago than a session may last."""
    since = now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    could = Q(user__last_login__gte=since) | Q(user__auth_token__isnull=False)
    return DirectoryAccount.objects.filter(could, user__is_active=True).select_related("user").order_by("pk")


def _administrate(user: User, entry: Entry | None) -> None:
    """Make an administrator of the portal who is in the group for it, and no longer who is not."""
    config: LDAPSettings = settings.OVERREAD_LDAP
    if not config.admin_group:
        return
    is_admin = entry is not None and config.admin_group.lower() in entry.groups
    if (user.is_superuser, user.is_staff) != (is_admin, is_admin):
        user.is_superuser = user.is_staff = is_admin
        user.save(update_fields=["is_superuser", "is_staff"])


def _apply(user: User, groups: frozenset[str]) -> None:
    if _Provider.apply_groups is not None:
        _Provider.apply_groups(user, groups)
