"""Which cases others have in front, so that reviewers who work at once are not given the same one.

A hint in the cache, nothing more: without it, or where all are taken, two may look at one case, and the verdict that
comes second is refused in words or, where two have to agree, kept beside the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core.cache import caches
from redis.exceptions import RedisError

from portal.models import User
from studies.models import Case

SECONDS = 60
"""For how long a case that was shown to one reviewer is shown to another only where no other waits."""


def show(case: Case, to: User) -> None:
    """Note that `to` has the case in front."""
    try:
        caches["decisions"].set(_key(case), to.pk, timeout=SECONDS)
    except RedisError:
        return


def free_first(cases: Sequence[Case], user: User) -> list[Case]:
    """The cases in their order, but those behind that another has in front."""
    try:
        seen = caches["decisions"].get_many([_key(case) for case in cases])
    except RedisError:
        seen = {}
    return sorted(cases, key=lambda case: seen.get(_key(case), user.pk) != user.pk)


def _key(case: Case) -> str:
    return f"qc:{case.pk}:{case.qc_round}"
