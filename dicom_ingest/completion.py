"""When an exam is complete on a route: nothing more of it arrived there for the quiet period of the called AE title."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from dicom_ingest import spool, store
from dicom_ingest.metadata import write_metadata
from dicom_ingest.models import DEFAULT_QUIET_SECONDS, AETitle, Exam, Route, Series
from portal import tasks
from portal.audit import trail
from portal.audit.actions import Action

LOOK = "dicom_ingest.tasks.complete_due_exams"
LOOKS_AHEAD = 5
"""At most so many looks between two ticks: in a busy portal the tick is soon enough."""
LATE_SECONDS = 0.01
"""A look comes so much after the moment, never before it."""


@dataclass(frozen=True, kw_only=True)
class SeriesState:
    """How far one series has come. `is_settled`: its metadata are written, so nothing joined it since it was quiet."""

    last_instance_at: datetime
    is_settled: bool


def series_state(series: Series) -> SeriesState:
    """The state of one series, whose exam should be loaded with it."""
    return SeriesState(last_instance_at=series.changed_at, is_settled=_metadata_exists(series))


def complete_exams(at: datetime | None = None) -> int:
    """Complete the routes that are quiet at `at` (now), and return how many.

    Acknowledged instances may still wait in the spool. They are indexed in order of arrival, so the quiet period is
    measured up to the arrival of the one that waits longest: none is missed, and a steady stream delays no one.
    """
    at = at or now()
    horizon = min(at, spool.oldest_arrival() or at)
    quiet_seconds = dict(AETitle.objects.values_list("title", "quiet_period_seconds"))
    completed = 0
    for route in Route.objects.filter(completed_at=None).select_related("exam"):
        seconds = quiet_seconds.get(route.called_ae, DEFAULT_QUIET_SECONDS)
        if _complete_if_quiet(route, at=at, horizon=horizon, seconds=seconds):
            completed += 1
        else:
            _settle_series(route.exam, before=horizon - timedelta(seconds=seconds))
    return completed


def look_ahead(at: datetime | None = None) -> None:
    """Have a worker look for exams at the moments when they become quiet before the next tick (after `at`, now).

    Only the tick asks for this, so looks do not multiply while an exam arrives. Nothing is lost with a lost message.
    """
    at = at or now()
    for moment in _due_before_the_next_tick(at)[:LOOKS_AHEAD]:
        tasks.hint(LOOK, queue="ingest", after=(moment - at).total_seconds() + LATE_SECONDS)


def _due_before_the_next_tick(at: datetime) -> list[datetime]:
    quiet_seconds = dict(AETitle.objects.values_list("title", "quiet_period_seconds"))
    arrivals = Route.objects.filter(completed_at=None).values_list("called_ae", "last_instance_at")
    due = (last + timedelta(seconds=quiet_seconds.get(title, DEFAULT_QUIET_SECONDS)) for title, last in arrivals)
    next_tick = at + timedelta(seconds=settings.OVERREAD_COMPLETION_TICK_SECONDS)
    return sorted(moment for moment in due if at < moment < next_tick)


def complete_exam_now(exam: Exam) -> bool:
    """Complete every route of the exam without waiting; False when none was open, or each is being filed on."""
    return sum(complete_now(route) for route in Route.objects.filter(exam=exam, completed_at=None)) > 0


def complete_now(route: Route) -> bool:
    """Complete the route without waiting; False when it was complete, or an instance is being filed on it just now."""
    with transaction.atomic():
        if not _complete_if_quiet(route, at=now(), horizon=now(), seconds=0):
            return False
        detail = {"called_ae": route.called_ae}
        trail.record_on_exam(Action.EXAM_COMPLETED, exam=route.exam.study_instance_uid, detail=detail)
    return True


def _complete_if_quiet(route: Route, *, at: datetime, horizon: datetime, seconds: float) -> bool:
    if not route.is_quiet(for_seconds=seconds, at=horizon):
        return False
    with transaction.atomic():
        series = _locked_series(route.exam)
        locked = Route.objects.select_for_update(skip_locked=True).filter(pk=route.pk, completed_at=None).first()
        if locked is None or not locked.is_quiet(for_seconds=seconds, at=horizon):
            return False
        _write_all_missing_metadata(series)
        locked.completed_at = at
        locked.save(update_fields=["completed_at"])
        transaction.on_commit(_wake_who_waits)
    return True


def _wake_who_waits() -> None:
    """Start what higher apps do with complete exams. Without a broker nothing is lost: their next tick does it."""
    tasks.hint(*settings.OVERREAD_ON_COMPLETION, queue="ingest")


def _locked_series(exam: Exam) -> list[Series]:
    """The exam's series, which no instance can join until the transaction ends."""
    return list(Series.objects.filter(exam=exam).select_related("exam").order_by("pk").select_for_update(of=("self",)))


def _settle_series(exam: Exam, *, before: datetime) -> None:
    """Write the metadata of each series that was quiet while others of its exam still arrive."""
    quiet = Series.objects.filter(exam=exam, changed_at__lte=before).select_related("exam")
    for pk in [series.pk for series in quiet if not _metadata_exists(series)]:
        with transaction.atomic():
            locked = quiet.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk)
            _write_all_missing_metadata(locked)


def _write_all_missing_metadata(series: Iterable[Series]) -> None:
    for one in series:
        _write_missing_metadata(one)


def _write_missing_metadata(series: Series) -> None:
    if not _metadata_exists(series):
        write_metadata(series)


def _metadata_exists(series: Series) -> bool:
    return store.metadata_path(series.exam.study_instance_uid, series.series_instance_uid).exists()
