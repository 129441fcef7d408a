"""What was decided a moment ago, kept in Valkey or Redis: who sent a request, what they may see, and where it lies.

Each process has what it asked for lately in its own memory too, so that most frames need no exchange at all.

A decision stands for `OVERREAD_DECISION_SECONDS` and no longer: a membership that is revoked, or an account that is
switched off, is refused within that time at the latest. Without the cache everything is asked of the database.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
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
    """What is known of `keys`: from this process's own memory, and for the rest in one exchange with the cache."""
    near = caches["nearby"]
    known: dict[str, Any] = near.get_many(keys)
    for name, (until, value) in _shared([key for key in keys if key not in known]).items():
        known[name] = value
        near.set(name, value, timeout=min(until - time.time(), settings.OVERREAD_DECISION_SECONDS))
    return known


def recall_shared(*keys: str) -> dict[str, Any]:
    """What is known of `keys`, asked of the cache each time: for what another process may take back, or is large."""
    return {name: value for name, (_, value) in _shared(keys).items()}


def keep(values: Mapping[str, object], *, seconds: int | None = None) -> None:
    """Remember `values` for the time that decisions stand; what is no decision, for as many `seconds`."""
    seconds = seconds or settings.OVERREAD_DECISION_SECONDS
    until = time.time() + seconds
    try:
        caches["decisions"].set_many({name: (until, value) for name, value in values.items()}, timeout=seconds)
    except RedisError:
        return


def _shared(keys: Collection[str]) -> dict[str, tuple[float, Any]]:
    """The end and the value of each."""
    try:
        return caches["decisions"].get_many(keys) if keys else {}
    except RedisError:  # /readyz tells; here the database answers instead
        return {}


@receiver(user_logged_out)
def forget_session(request: HttpRequest, **_: object) -> None:
    """Who logs out is a stranger at once."""
    try:
        caches["decisions"].delete(key("session", request.session.session_key))
    except RedisError:
        return
