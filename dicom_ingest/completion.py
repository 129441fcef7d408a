"""When an exam is complete on a route: nothing more of it arrived there for the quiet period of the called AE title."""

from datetime import datetime

from django.db import transaction
from django.utils.timezone import now

from dicom_ingest import spool, store
from dicom_ingest.metadata import write_metadata
from dicom_ingest.models import DEFAULT_QUIET_SECONDS, AETitle, Exam, Route, Series


def complete_exams(at: datetime | None = None) -> int:
    """Complete the routes that are quiet at `at` (now), and return how many.

    Acknowledged instances may still wait in the spool. They are indexed in order of arrival, so the quiet period is
    measured up to the arrival of the one that waits longest: none is missed, and a steady stream delays no one.
    """
    at = at or now()
    horizon = min(at, spool.oldest_arrival() or at)
    quiet_seconds = dict(AETitle.objects.values_list("title", "quiet_period_seconds"))
    return sum(
        _complete_if_quiet(
            route, at=at, horizon=horizon, seconds=quiet_seconds.get(route.called_ae, DEFAULT_QUIET_SECONDS)
        )
        for route in Route.objects.filter(completed_at=None, last_instance_at__lte=horizon)
    )


def complete_now(route: Route) -> bool:
    """Complete the route without waiting; False when it was complete, or an instance is being filed on it just now."""
    return _complete_if_quiet(route, at=now(), horizon=now(), seconds=0)


def _complete_if_quiet(route: Route, *, at: datetime, horizon: datetime, seconds: float) -> bool:
    if not route.is_quiet(for_seconds=seconds, at=horizon):
        return False
    with transaction.atomic():
        series = _locked_series(route.exam)
        locked = Route.objects.select_for_update(skip_locked=True).filter(pk=route.pk, completed_at=None).first()
        if locked is None or not locked.is_quiet(for_seconds=seconds, at=horizon):
            return False
        for one in series:
            _write_missing_metadata(one)
        locked.completed_at = at
        locked.save(update_fields=["completed_at"])
    return True


def _locked_series(exam: Exam) -> list[Series]:
    """The exam's series, which no instance can join until the transaction ends."""
    return list(Series.objects.filter(exam=exam).select_related("exam").order_by("pk").select_for_update(of=("self",)))


def _write_missing_metadata(series: Series) -> None:
    if not store.metadata_path(series.exam.study_instance_uid, series.series_instance_uid).exists():
        write_metadata(series)
