"""Associations that were refused: remembered off the association's own thread, one row per kind of refusal and peer."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, Full, Queue
from threading import Event, Thread

from django.db import DatabaseError, close_old_connections, connection
from django.db.models import F
from django.utils.timezone import now

from dicom_ingest.models import RejectedAssociation

_logger = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One refused association request."""

    called_ae: str
    calling_ae: str
    address: str
    explanation: str


def record(rejection: Rejection) -> None:
    """Count the refusal in the row of its kind."""
    row, is_new = RejectedAssociation.objects.get_or_create(
        called_ae=rejection.called_ae,
        calling_ae=rejection.calling_ae,
        address=rejection.address,
        explanation=rejection.explanation,
    )
    if not is_new:
        RejectedAssociation.objects.filter(pk=row.pk).update(count=F("count") + 1, last_at=now())


def forget_old(*, days: int) -> int:
    """Delete the refusals that have not been repeated for `days`, and return how many."""
    deleted, _ = RejectedAssociation.objects.filter(last_at__lt=now() - timedelta(days=days)).delete()
    return deleted


class Recorder:
    """A thread that records refusals as the database allows."""

    def __init__(self) -> None:
        self._pending: Queue[Rejection] = Queue(maxsize=1000)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="rejections", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Record what is pending, as far as a few seconds allow."""
        self._stop.set()
        self._thread.join(timeout=5)

    def put(self, rejection: Rejection) -> None:
        """Take note of `rejection`, at once; while the database is away for long, further ones are only logged."""
        try:
            self._pending.put_nowait(rejection)
        except Full:
            _logger.warning("Refused %s: %s", rejection.address, rejection.explanation)

    def _run(self) -> None:
        while not (self._stop.is_set() and self._pending.empty()):
            try:
                rejection = self._pending.get(timeout=0.2)
            except Empty:
                continue
            self._record_in_the_end(rejection)
        connection.close()

    def _record_in_the_end(self, rejection: Rejection) -> None:
        while True:
            close_old_connections()
            try:
                return record(rejection)
            except DatabaseError as error:
                _logger.warning("Recording a refusal waits for the database (%s).", type(error).__name__)
                if self._stop.wait(_RETRY_SECONDS):
                    return None
