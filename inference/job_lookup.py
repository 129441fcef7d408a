"""Finding one job by what somebody types of its id."""

from __future__ import annotations

from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast

from inference.models import Job

SHORTEST = 4
LISTED = 5


class NoSuchJob(Exception):
    """No job has an id that begins so, or several have; the message says which."""


def job_by(beginning: str, *, among: QuerySet[Job]) -> Job:
    """The one job of `among` whose id begins with `beginning`. Raises NoSuchJob."""
    if len(beginning) < SHORTEST:
        raise NoSuchJob(f"Give at least {SHORTEST} characters of the job's id; `jobs list` shows them.")
    named = among.annotate(written=Cast("pk", CharField())).filter(written__startswith=beginning.lower())
    found = list(named[: LISTED + 1])
    if not found:
        raise NoSuchJob(f"No job has an id that begins with {beginning}. `jobs list` shows the ids.")
    if len(found) > 1:
        listed = ", ".join(str(job.pk) for job in found[:LISTED])
        raise NoSuchJob(f"Several jobs have an id that begins with {beginning}: {listed}. Give more of it.")
    return found[0]
