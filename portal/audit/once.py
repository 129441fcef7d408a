"""What is put on record once in a while, not each time: an exam's images come in hundreds of requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError


@contextmanager
def first_time(key: str) -> Iterator[bool]:
    """Whether nobody else had `key` in the last OVERREAD_AUDIT_VIEW_MINUTES; the block puts it on record if so.

    Asked of this process's own memory first, so that most frames need no exchange with the cache; without the cache
    each process counts for itself. Should the block fail, the next one is the first again.
    """
    near = caches["nearby"]
    if near.get(key):
        yield False
        return
    is_first = _claim(key)
    try:
        yield is_first
    except BaseException:
        if is_first:
            _give_back(key)
        raise
    near.set(key, True, timeout=_seconds() if is_first else min(_seconds(), settings.OVERREAD_DECISION_SECONDS))


def _claim(key: str) -> bool:
    try:
        return bool(caches["decisions"].add(key, True, timeout=_seconds()))
    except RedisError:
        return True


def _give_back(key: str) -> None:
    try:
        caches["decisions"].delete(key)
    except RedisError:
        return


def _seconds() -> int:
    return int(settings.OVERREAD_AUDIT_VIEW_MINUTES) * 60
