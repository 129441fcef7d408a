"""Asking the directory, every few seconds, about whoever could still come in."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from portal.accounts.directory import connected, look_up
from portal.accounts.directory_accounts import close, confirm
from portal.accounts.entries import DirectoryIsAway
from portal.accounts.models import DirectoryAccount

log = logging.getLogger(__name__)


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
