"""How long a reviewer had a case in front: the page counts, and the server bounds it by what it knows.

The page carries the signed moment at which the case was given out, with the round that it was in.
"""

from __future__ import annotations

import math
import time

from django.core import signing

from portal.models import User
from studies.cases.qc import Look
from studies.models import Case
from studies.refusals import Refused

SALT = "studies.quality.sitting"
LOST = "It is not known when this case was opened, so nothing was kept. It is shown again: give your verdict now."


def begin(case: Case, *, by: User) -> str:
    """A token for the case that `by` is now shown."""
    return signing.dumps([case.pk, case.qc_round, by.pk, time.time()], salt=SALT)


def end(token: str, case: Case, *, by: User, active: str) -> Look:
    """What the token and the page's own count say. Raises Refused for a token of another case or person, or none."""
    try:
        case_id, qc_round, user_id, began = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError) as fault:
        raise Refused(LOST) from fault
    if (case_id, user_id) != (case.pk, by.pk):
        raise Refused(LOST)
    passed = max(0.0, time.time() - float(began))
    return Look(round=qc_round, open_seconds=passed, active_seconds=_bounded(active, passed))


def _bounded(counted: str, passed: float) -> float | None:
    try:
        seconds = float(counted)
    except ValueError:
        return None
    return min(seconds, passed) if math.isfinite(seconds) and seconds >= 0 else None
