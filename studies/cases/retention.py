"""Closed studies whose retention is over. They are listed, so that somebody decides; nothing is deleted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery
from django.utils.timezone import now

from studies.models import StageChange, Study
from studies.protocols import protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RetentionLine:
    """A closed study, and until when its protocol has it kept."""

    study: Study
    closed_at: datetime
    kept_until: datetime


def over(at: datetime | None = None) -> list[RetentionLine]:
    """The closed studies whose retention is over at `at` (now), the longest over first."""
    moment = at or now()
    lines = [line for line in _lines() if line.kept_until <= moment]
    return sorted(lines, key=lambda line: line.kept_until)


def warn() -> None:
    """Say in the log which studies somebody should decide on."""
    for line in over():
        logger.warning("Study %s was to be kept until %s: decide on it.", line.study.slug, line.kept_until.date())


def _lines() -> Iterator[RetentionLine]:
    closings = StageChange.objects.filter(study=OuterRef("pk"), after=Study.Stage.CLOSED).order_by("-made_at")
    closed = Study.objects.filter(stage=Study.Stage.CLOSED).annotate(closed_at=Subquery(closings.values("made_at")[:1]))
    for study in closed:
        closed_at: datetime | None = vars(study)["closed_at"]
        if closed_at is not None:
            years = protocol.current(study).content.retention_years
            yield RetentionLine(study=study, closed_at=closed_at, kept_until=_after(closed_at, years))


def _after(moment: datetime, years: int) -> datetime:
    """The same day so many years later; the day before in a year without a 29 February."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, day=28)
