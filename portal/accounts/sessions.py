"""How long a session lasts: so long without a sign of its user, and never beyond a working day.

A sign is a page that is opened, anything that is sent, or what a page's script tells of keys and pointer. Parts of
pages that ask by themselves, and images, are none: a page that stands open would else stay signed in for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

STARTED, ENDS = "started", "ends"  # Unix time, s
PAGE_USER = "X-Overread-User"
"""The user for whom a page was made, sent along by its script: what one user entered is never saved as another's."""
ANOTHER = "X-Overread-Another"


@receiver(user_logged_in)
def begin(request: HttpRequest, **_: object) -> None:
    """Count from here on."""
    request.session[STARTED] = int(time.time())
    _extend(request.session)


def seconds_left(session: SessionBase) -> int:
    """How long the session lasts without another sign of its user."""
    return max(0, int(session.get(ENDS, 0) - time.time()))


def _extend(session: SessionBase) -> None:
    ends = min(time.time() + settings.OVERREAD_IDLE_SECONDS, _latest_end(session))
    session[ENDS] = ends
    session.set_expiry(max(1, round(ends - time.time())))  # 0 would mean: until the browser is closed


def _latest_end(session: SessionBase) -> float:
    started: int = session.setdefault(STARTED, int(time.time()))
    return started + float(settings.SESSION_COOKIE_AGE)


def _is_due(session: SessionBase) -> bool:
    """Whether enough of it is gone for another write to the database."""
    idle: int = settings.OVERREAD_IDLE_SECONDS
    return seconds_left(session) < idle - min(60.0, idle / 10)


class IdleTimeout:
    """Middleware after Django's own of sessions and users."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _is_sign(request) and _has_user(request):
            self._see(request)
        if _is_of_another_user(request):
            return HttpResponse(status=401, headers={ANOTHER: "1"})
        response = self.get_response(request)
        if request.headers.get("HX-Request") and _leads_to_login(response):
            return HttpResponse(status=401)
        return response

    def _see(self, request: HttpRequest) -> None:
        if time.time() >= _latest_end(request.session):
            logout(request)
        elif _is_due(request.session):
            _extend(request.session)


def _is_sign(request: HttpRequest) -> bool:
    if request.method not in {"GET", "HEAD"}:
        return True
    return not request.headers.get("HX-Request") and "text/html" in request.headers.get("Accept", "")


def _has_user(request: HttpRequest) -> bool:
    return bool(request.session.session_key) and request.user.is_authenticated


def _is_of_another_user(request: HttpRequest) -> bool:
    of = request.headers.get(PAGE_USER)
    return of is not None and _has_user(request) and str(request.user.pk) != of


def _leads_to_login(response: HttpResponse) -> bool:
    where = response.headers.get("Location", "")
    return response.status_code == 302 and where.partition("?")[0] == resolve_url(settings.LOGIN_URL)
