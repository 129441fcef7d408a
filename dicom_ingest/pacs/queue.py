"""The queue of transfers: rows claimed on a lease that a thread renews, throttled by remote, tried again with back-off.

The same pattern as the job engine's: the database is the truth, and a message to a worker is only a hint.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Q
from django.utils.timezone import now

from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote, Retrieval, Sending, Transfer
from portal import tasks
from portal.audit import trail
from portal.audit.actions import Action

logger = logging.getLogger(__name__)

WORK = "dicom_ingest.tasks.transfer_next"
HINTS_PER_SWEEP = 4
RENEWALS_PER_LEASE = 4
DIED = "Its worker died on every attempt. Look at the worker's log, then try it again."

State = Transfer.State
AnyTransfer = TypeVar("AnyTransfer", Retrieval, Sending)


_CANCELLED = {Retrieval: Action.RETRIEVAL_CANCELLED, Sending: Action.SENDING_CANCELLED}
_RETRIED = {Retrieval: Action.RETRIEVAL_RETRIED, Sending: Action.SENDING_RETRIED}


class TransferTaken(Exception):
    """The transfer is no longer this worker's: it was cancelled, or retaken after a missed renewal."""


def hint() -> None:
    """Wake a worker. Without a broker nothing is lost: the next sweep hints again."""
    tasks.hint(WORK, queue="transfers")


def sweep() -> int:
    """Fail what has no attempt left and hint for what waits; returns how many transfers are due."""
    due = 0
    for model in (Retrieval, Sending):
        exhausted = model._default_manager.filter(Transfer.exhausted())
        exhausted.update(state=State.FAILED, finished_at=now(), lease_expires_at=None, reason=DIED)
        due += model._default_manager.filter(Transfer.claimable(), remote__active=True).count()
    for _ in range(min(due, HINTS_PER_SWEEP)):
        hint()
    return due


def claim_next(model: type[AnyTransfer]) -> AnyTransfer | None:
    """Take the most urgent transfer that its remote has room for, or None. Two workers never take the same one."""
    waiting = model._default_manager.filter(Transfer.claimable(), remote__active=True)
    for remote_id in waiting.order_by("priority", "created_at").values_list("remote_id", flat=True):
        claimed = _claim_from(model, remote_id)
        if claimed is not None:
            return claimed
    return None


@transaction.atomic
def _claim_from(model: type[AnyTransfer], remote_id: int) -> AnyTransfer | None:
    remote = Remote.objects.select_for_update().get(pk=remote_id)  # one claim for a remote at a time
    room = remote.max_parallel - _running(remote)
    waiting = model._default_manager.filter(Transfer.claimable(), remote=remote).order_by("priority", "created_at")
    transfer = waiting.first()
    if transfer is None or room <= 0 or (transfer.priority == Transfer.Priority.BATCH and _holds_back(remote, room)):
        return None
    transfer.state = State.RUNNING
    transfer.worker = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    transfer.attempts += 1
    transfer.started_at, transfer.lease_expires_at = now(), _lease()
    transfer.save(update_fields=["state", "worker", "attempts", "started_at", "lease_expires_at"])
    return transfer


def _running(remote: Remote) -> int:
    alive = {"state": State.RUNNING, "lease_expires_at__gte": now()}
    return remote.retrievals.filter(**alive).count() + remote.sendings.filter(**alive).count()


def _holds_back(remote: Remote, room: int) -> bool:
    """What is not urgent leaves one association to those who wait before a screen, and pauses in between."""
    if remote.max_parallel > 1 and room == 1:
        return True
    recently = now() - timedelta(seconds=remote.pause_seconds)
    ended = Q(priority=Transfer.Priority.BATCH) & (Q(finished_at__gt=recently) | Q(state=State.RUNNING))
    return bool(remote.pause_seconds) and remote.retrievals.filter(ended).exists()


@contextmanager
def attempt(transfer: Retrieval | Sending) -> Iterator[None]:
    """One attempt: what the block raises decides whether the transfer is tried again, and every end is written down."""
    try:
        with _kept_alive(transfer):
            yield
    except TransferTaken as taken:
        logger.warning("%s What it did is kept.", taken)
    except Refused as refused:
        _settle(transfer, State.FAILED, str(refused))
    except PacsError as fault:
        _again(transfer, str(fault))
    except Exception as fault:
        # A full disk, a lost database, a defect: none may leave the row running. Kept here, raised for the log.
        _again(transfer, f"The attempt was broken off ({type(fault).__name__}); the worker's log has the place.")
        raise
    else:
        _settle(transfer, State.DONE, "")


def update(transfer: Retrieval | Sending, **values: object) -> None:
    """Write down how far a running transfer is. Raises TransferTaken when it is no longer this worker's."""
    ours = type(transfer)._default_manager.filter(pk=transfer.pk, state=State.RUNNING, worker=transfer.worker)
    if not ours.update(lease_expires_at=_lease(), **values):
        raise TransferTaken(f"Transfer {transfer.pk} was taken from {transfer.worker}.")


def cancel(model: type[AnyTransfer], transfer_id: uuid.UUID) -> bool:
    """Stop a waiting or running transfer; False when it had ended. A running one stops at its next instance."""
    open_ones = model._default_manager.filter(pk=transfer_id, state__in=[State.QUEUED, State.RUNNING])
    values = {"state": State.CANCELLED, "reason": "Cancelled by hand.", "finished_at": now(), "lease_expires_at": None}
    with transaction.atomic():
        is_cancelled = bool(open_ones.update(**values))
        if is_cancelled:
            trail.record(_CANCELLED[model], of=str(transfer_id))
    return is_cancelled


def retry(model: type[AnyTransfer], transfer_id: uuid.UUID) -> bool:
    """Queue an ended transfer again with fresh attempts; False when it had not failed or been cancelled."""
    ended = model._default_manager.filter(pk=transfer_id, state__in=[State.FAILED, State.CANCELLED])
    with transaction.atomic():
        queued = ended.update(
            state=State.QUEUED, attempts=0, reason="", not_before=now(), started_at=None, finished_at=None
        )
        if queued:
            trail.record(_RETRIED[model], of=str(transfer_id))
            transaction.on_commit(hint)
    return bool(queued)


def _settle(transfer: Retrieval | Sending, state: Transfer.State, reason: str) -> None:
    try:
        update(transfer, state=state, reason=reason, finished_at=now())
    except TransferTaken as taken:
        logger.warning("%s", taken)


def _again(transfer: Retrieval | Sending, reason: str) -> None:
    if transfer.attempts >= transfer.max_attempts:
        _settle(transfer, State.FAILED, f"{reason} It was tried {transfer.attempts} times.")
        return
    try:
        update(transfer, state=State.QUEUED, reason=reason, not_before=now() + transfer.back_off())
    except TransferTaken as taken:
        logger.warning("%s", taken)


@contextmanager
def _kept_alive(transfer: Retrieval | Sending) -> Iterator[None]:
    """Renew the lease from a thread: one instance, or a remote's tape, may take longer than a lease lasts."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(transfer, ended), name=f"lease of {transfer.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew_until(transfer: Retrieval | Sending, ended: threading.Event) -> None:
    try:
        while not ended.wait(settings.JOB_LEASE_SECONDS / RENEWALS_PER_LEASE):
            try:
                update(transfer)
            except TransferTaken:
                return  # the attempt itself notices at its next instance
            except (DatabaseError, InterfaceError) as fault:
                logger.warning("The lease of transfer %s cannot be renewed yet: %s", transfer.pk, type(fault).__name__)
                connection.close()
    finally:
        connection.close()


def _lease() -> datetime:
    return now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
