"""What was decided a moment ago, kept in Valkey or Redis: who sent a request, what they may see, and where it lies.

A decision stands for `OVERREAD_DECISION_SECONDS` and no longer: a membership that is revoked, or an account that is
switched off, is refused within that time at the latest. Without the cache everything is asked of the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.core.cache import caches
from django.dispatch import receiver
from django.http import HttpRequest
from redis.exceptions import RedisError


def key(kind: str, *names: object) -> str:
    """The key of one decision. Tokens and identifiers go into it as a digest; another store has other keys."""
    told = "\0".join([str(settings.OVERREAD_STORE), kind, *map(str, names)])
    return f"{kind}:{hashlib.sha256(told.encode()).hexdigest()}"


def recall(*keys: str) -> dict[str, Any]:
    """What is known of `keys`, in one exchange with the cache."""
    try:
        return caches["decisions"].get_many(keys)
    except RedisError:  # /readyz tells; here the database answers instead
        return {}


def keep(values: Mapping[str, object], *, seconds: int | None = None) -> None:
    """Remember `values` for the time that decisions stand; what is no decision, for as many `seconds`."""
    try:
        caches["decisions"].set_many(dict(values), timeout=seconds or settings.OVERREAD_DECISION_SECONDS)
    except RedisError:
        return


@receiver(user_logged_out)
def forget_session(request: HttpRequest, **_: object) -> None:
    """Who logs out is a stranger at once."""
    try:
        caches["decisions"].delete(key("session", request.session.session_key))
    except RedisError:
        return
