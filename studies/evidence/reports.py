"""Reports are asked for from a page and made by a worker; the database says which are to be made."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils.timezone import now

from inference.errors import InstallationFault
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.tasks import hint
from studies.evidence import current, report_document
from studies.evidence.moment import one_moment
from studies.evidence.report_models import StudyReport
from studies.evidence.scope import Scope
from studies.models import Study

State = StudyReport.State
STEPS = ("Wait for a worker", "Compute the numbers", "Typeset the pages")
"""What is done for a report, in order; `step` counts those that are over."""


@transaction.atomic
def ask(study: Study, *, is_pilot: bool, by: User) -> StudyReport:
    """A report of the study as it will be when a worker comes to it; the one that is in the making, if one is."""
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    asked = StudyReport.objects.filter(study=study, is_pilot=is_pilot, state__in=[State.WAITING, State.MAKING])
    if (pending := asked.first()) is not None:
        return pending
    made = StudyReport.objects.create(study=study, is_pilot=is_pilot, asked_by=by)
    transaction.on_commit(lambda: hint("studies.tasks.make_reports", queue="reports"))
    trail.record(Action.STUDY_REPORT_ASKED_FOR, of=f"report:{made.pk}", study=study.slug, detail=_kind(made))
    return made


def newest(study: Study, *, is_pilot: bool) -> StudyReport | None:
    """The newest report that is made."""
    made = StudyReport.objects.filter(study=study, is_pilot=is_pilot, state=State.DONE).select_related("asked_by")
    return made.order_by("-made_at").first()


def last_asked(study: Study, *, is_pilot: bool) -> StudyReport | None:
    """The report that was asked for last, whatever became of it, without its content."""
    return StudyReport.objects.filter(study=study, is_pilot=is_pilot).defer("content").first()


def make_waiting() -> int:
    """Make every report that is asked for; return how many were made. What fails says why, and others go on."""
    made = 0
    while (claimed := _claim()) is not None:
        made += _make(claimed)
    return made


@transaction.atomic
def _claim() -> UUID | None:
    waiting = StudyReport.objects.select_for_update(skip_locked=True).defer("content").waiting().first()
    if waiting is None:
        return None
    waiting.state, waiting.begun_at, waiting.step = State.MAKING, now(), 1
    waiting.save(update_fields=["state", "begun_at", "step"])
    return waiting.pk


def _make(report_id: UUID) -> bool:
    report = StudyReport.objects.select_related("study", "asked_by").get(pk=report_id)
    try:
        scope = Scope(study=report.study, is_pilot=report.is_pilot)
        with one_moment():
            shown = current.numbers_of(scope)
            told = report_document.told(shown, scope, by=report.asked_by.get_username(), report=report.pk)
        StudyReport.objects.filter(pk=report_id).update(step=2)
        content = report_document.typeset(told)
    except (InstallationFault, ImproperlyConfigured) as fault:
        _fail(report, str(fault))
        return False
    except Exception as fault:
        _fail(report, f"It broke while it was made ({type(fault).__name__}). An administrator finds more in the log.")
        raise
    _keep(report, content, numbers=shown.count, numbers_sha256=shown.sha256)
    return True


@transaction.atomic
def _keep(report: StudyReport, content: bytes, *, numbers: int, numbers_sha256: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    StudyReport.objects.filter(pk=report.pk).update(
        state=State.DONE,
        step=len(STEPS),
        made_at=now(),
        content=content,
        sha256=digest,
        numbers=numbers,
        numbers_sha256=numbers_sha256,
    )
    detail = _kind(report) | {"rows": numbers, "sha256": digest, "size": len(content)}
    trail.record(Action.STUDY_REPORT_MADE, of=f"report:{report.pk}", study=report.study.slug, detail=detail)


def _fail(report: StudyReport, problem: str) -> None:
    StudyReport.objects.filter(pk=report.pk).update(state=State.FAILED, problem=problem)


def _kind(report: StudyReport) -> dict[str, object]:
    return {"kind": "pilot" if report.is_pilot else "real"}
