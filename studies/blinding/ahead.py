"""What is done before a reader asks.

Cases are tried, so that a coordinator hears of those that cannot be shown, and the reads that come next are made ready.
"""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta

from django.db.models import F, Max, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.timezone import now

from studies.blinding import preparation
from studies.blinding.drawing import reads_folder
from studies.blinding.errors import Unshowable
from studies.blinding.models import CaseShowing
from studies.blinding.selection import select_for
from studies.models import READING, Case, Read, Study
from studies.protocols.protocol_schema import Arm

log = logging.getLogger(__name__)
CASES_PER_TICK = 10
READS_AHEAD = 2
"""Of each reader in each study: the one that comes next, and the one after it."""
READS_PER_TICK = 20
KEPT = timedelta(days=7)
"""How long what was made for a read stays after it was submitted. It is made again when asked for."""


def check_cases() -> int:
    """Try some cases that are new, or have a newer finding than when they were last tried; return how many."""
    waiting = _unchecked().order_by("pk")[:CASES_PER_TICK]
    for case in waiting:
        check(case)
    return len(waiting)


def check(case: Case) -> CaseShowing:
    """Whether the case can be shown blind, with the findings that it has now; kept for its coordinator."""
    began = now()
    content = case.protocol.content
    arms = [arm for arm in content.design.arms_named if not _is_awaited(case, content.arm(arm))]
    found = select_for(case, content, arms=arms, moment=began)
    try:
        preparation.check(found, is_hidden=content.blinding.patient != "shown")
        problem = ""
    except Unshowable as reason:
        problem = str(reason)
    showing, _ = CaseShowing.objects.update_or_create(case=case, defaults={"problem": problem, "checked_at": began})
    return showing


def _is_awaited(case: Case, arm: Arm) -> bool:
    """Whether annotators have still to give the arm's mask: readers get the case once they have."""
    return arm.is_annotated and not case.findings.filter(arm=arm.key, replaced_at=None).exists()


def problem_of(case: Case) -> str:
    """Why the case cannot be shown to readers, in words; "" where it can, or was not tried yet. Not for readers."""
    found: str | None = CaseShowing.objects.filter(case=case).values_list("problem", flat=True).first()
    return found or ""


def problems(study: Study) -> QuerySet[CaseShowing]:
    """The study's cases that cannot be shown to readers, with why. Not for readers."""
    return CaseShowing.objects.filter(case__study=study).exclude(problem="").select_related("case").order_by("case")


def prepare_reads() -> int:
    """Make ready the reads that come next, as far as that is not done; return how many were made."""
    made = 0
    for read in _next_reads():
        if preparation.folder_of(read).is_dir():
            continue
        if made == READS_PER_TICK:
            break
        try:
            preparation.prepare(read)
        except Unshowable as reason:
            log.warning("Read %s cannot be shown: %s", read.pk, reason)
            preparation.folder_of(read).mkdir(parents=True, exist_ok=True)  # tried; an opening tries again
        made += 1
    return made


def tidy() -> int:
    """Delete what was made for reads that are done or withdrawn; return for how many."""
    done = Q(state=Read.State.WITHDRAWN) | Q(state=Read.State.SUBMITTED, submitted_at__lt=now() - KEPT)
    there = {folder.name for folder in reads_folder().iterdir()} if reads_folder().is_dir() else set()
    over = [str(pk) for pk in Read.objects.filter(done).values_list("pk", flat=True) if str(pk) in there]
    for name in over:
        shutil.rmtree(reads_folder() / name, ignore_errors=True)
    return len(over)


def _unchecked() -> QuerySet[Case]:
    ready = Case.objects.filter(
        state__in=[Case.State.AWAITING_QC, Case.State.ENROLLED],
        study__stage__in=READING,
        study__readers_are_blinded=True,
    )
    newest = ready.annotate(newest=Max("findings__added_at"))
    stale = Q(showing=None) | Q(newest__gt=F("showing__checked_at"))
    return newest.filter(stale).select_related("study", "exam", "protocol")


def _next_reads() -> QuerySet[Read]:
    place = Window(RowNumber(), partition_by=[F("reader"), F("study")], order_by=F("position").asc())
    due = Read.objects.due().filter(study__stage__in=READING)
    chosen = due.annotate(place=place).filter(place__lte=READS_AHEAD)
    return chosen.select_related("study", "case__exam", "protocol").order_by("position", "pk")
