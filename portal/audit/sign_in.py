"""Signing in and out, by Django's own signals: every way in sends them, LDAP's and the administration's too."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from portal.audit import origin, trail
from portal.audit.actions import Action
from portal.audit.origin import Origin, Via
from portal.models import User


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    """Somebody signed in."""
    _record(Action.SIGNED_IN, request, user)


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Somebody signed out; not who had no session any more."""
    if user is not None:
        _record(Action.SIGNED_OUT, request, user)


@receiver(user_login_failed)
def sign_in_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Somebody gave a wrong password. A name that is no account's is not kept: people type passwords there."""
    given = str(credentials.get("username", ""))
    known = User.objects.filter(username=given).first()
    _record(Action.SIGN_IN_FAILED, request, None, name=given if known else "")


def _record(action: Action, request: HttpRequest | None, user: User | None, *, name: str = "") -> None:
    who = origin.of_request(request) if request is not None else origin.current()
    via = who.via if request is not None else Via.SYSTEM
    acting = Origin(via=via, user=user, name=user.get_username() if user else "", address=who.address)
    with origin.acting(acting):
        trail.record(action, of="", detail={"user": name} if name else {})
