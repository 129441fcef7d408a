"""Failed attempts to sign in: counted for each user name and address by django-axes, and locked for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest
from django.utils.timezone import localtime, now

from portal.audit.address import client_address


def user_name(request: HttpRequest, credentials: Mapping[str, str] | None = None) -> str:
    """The user name that an attempt counts for. Directories do not tell case apart, so neither does the count."""
    given = credentials or request.POST
    return str(given.get("username") or "").strip().casefold()


def locked_until(request: HttpRequest, username: str) -> datetime | None:
    """Until when no password is tried for `username` from where `request` comes from, or None where it is not locked.

    Whether there is such a user plays no part.
    """
    credentials = {"username": username}
    if not AxesProxyHandler.is_locked(request, credentials):
        return None
    attempts = AccessAttempt.objects.filter(
        username=user_name(request, credentials), ip_address=client_address(request)
    ).order_by("-attempt_time")
    last = attempts.values_list("attempt_time", flat=True).first() or now()
    pause: timedelta = settings.AXES_COOLOFF_TIME
    return last + pause


def lock_in_words(until: datetime) -> str:
    """What to tell who is locked out until then."""
    minutes = max(1, -int((now() - until).total_seconds() // 60))
    plural = "" if minutes == 1 else "s"
    return (
        "Too many attempts to sign in with this user name from here. "
        f"Try again after {localtime(until):%H:%M}, in {minutes} minute{plural}."
    )
