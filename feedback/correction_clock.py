"""How long the editor was open, measured by the server: the page carries the signed moment at which it was opened.

What cannot be told is left empty: no correction is refused for it.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.core import signing

from portal.models import User

SALT = "feedback.correction"


def start(*, of: str, by: User) -> str:
    """A token for the editor that `by` now opens on `of`: a result's key, or a read's sitting."""
    return signing.dumps([of, by.pk, time.time()], salt=SALT)


def seconds_since(token: str, *, of: str, by: User) -> float | None:
    """Seconds from `start` to now; None for a token that is not for this."""
    try:
        subject, user, started = signing.loads(token, salt=SALT, max_age=settings.SESSION_COOKIE_AGE)
    except signing.BadSignature:
        return None
    return max(0.0, time.time() - float(started)) if (subject, user) == (of, by.pk) else None
