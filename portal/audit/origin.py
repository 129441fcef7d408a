"""Who acts, and from where: what a request, a command or a worker leaves for the rows that are written meanwhile.

No model is imported here, for `manage.py` opens an origin before Django is set up.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.http import HttpRequest

from portal.audit.address import client_address

if TYPE_CHECKING:
    from portal.models import User


class Via(StrEnum):
    """How somebody reaches the portal."""

    PAGE = "page"
    TOKEN = "api token"  # noqa: S105 - a word, not a token
    COMMAND = "command"
    SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who acts: `user` where it is an account, `name` in any case; "" for somebody who has not signed in."""

    via: Via
    user: User | None = None
    name: str = ""
    address: str = ""


SYSTEM = Origin(via=Via.SYSTEM, name="system")
_current: ContextVar[Origin | HttpRequest] = ContextVar("audit_origin", default=SYSTEM)


def current() -> Origin:
    """Who acts now. Of a request only now: until its view authenticates it, nobody knows whose token it bears."""
    held = _current.get()
    return of_request(held) if isinstance(held, HttpRequest) else held


def of_request(request: HttpRequest) -> Origin:
    """Who sent `request`, from where, and whether with a token or from a page."""
    user = getattr(request, "user", None)
    known: User | None = user if user is not None and user.is_authenticated else None
    bears_token = request.headers.get("Authorization", "")[:6].lower() == "token "
    return Origin(
        via=Via.TOKEN if bears_token else Via.PAGE,
        user=known,
        name=known.get_username() if known else "",
        address=client_address(request),
    )


@contextmanager
def acting(origin: Origin | HttpRequest) -> Iterator[None]:
    """What is put on record inside is put down to `origin`."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)


def of_command_line() -> Origin:
    """The operating system's user who typed a command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "unknown"
    return Origin(via=Via.COMMAND, name=name)
