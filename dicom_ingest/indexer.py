"""The indexer: every acknowledged file ends in an exam, or in quarantine with its reason.

For other parts of Overread:

    index(path) -> Outcome                                          one file of the spool
    receive_part10(payload, *, called_ae, calling_ae) -> Outcome    keep one DICOM file and file it at once
    file_kept(spooled) -> Outcome                                   file what the caller has just kept, at once
    file_derived(dataset, *, exam) -> Instance                      a result that the engine made
    file_deposit(dataset, *, exam, origin) -> Instance              what a person made of a result
"""

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from uuid import uuid4

from django.db import IntegrityError, InterfaceError, OperationalError, close_old_connections, transaction
from django.utils.timezone import now
from pydicom.dataset import Dataset

from dicom_ingest import batches, filing, spool, store
from dicom_ingest.header import Header, read_header
from dicom_ingest.metadata import write_metadata
from dicom_ingest.models import Exam, Instance, QuarantinedInstance, Series
from dicom_ingest.quarantine import quarantine
from dicom_ingest.refusal import Reason, Refused
from dicom_ingest.spool import Spooled

_logger = logging.getLogger(__name__)
_BATCH = 64
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where one acknowledged file ended: filed as `instance`, or quarantined. A repeat has bytes that were there."""

    instance: Instance | None = None
    quarantined: QuarantinedInstance | None = None
    is_repeat: bool = False


class NotFiled(ValueError):
    """A derived instance that cannot be filed, with the reason in words."""


def index(path: Path) -> Outcome:
    """File one waiting file, or quarantine it; doing so again after a kill is harmless.

    Call it outside transactions: the file leaves the spool when the rows are committed.
    Raises FileNotFoundError when another process took the file, and DatabaseError or OSError (the file then waits on).
    """
    with spool.claimed(path) as spooled:
        if not spooled.is_waiting:
            raise FileNotFoundError(path)
        return _index(spooled)


def receive_part10(payload: bytes, *, called_ae: str, calling_ae: str = "") -> Outcome:
    """Keep one DICOM file as the receiver does, its AE titles set to those given, and file it at once.

    The bytes are kept when this returns, and also when it raises DatabaseError: they are filed once the database is
    back. Raises NotPart10 and OSError with nothing kept.
    """
    with spool.part10(payload, called_ae=called_ae, calling_ae=calling_ae) as spooled:
        return _index(spooled)


def file_kept(spooled: Spooled) -> Outcome:
    """File one file of the spool that the caller has claimed (see `spool.incoming`), at once.

    Raises DatabaseError and OSError; the file then waits on.
    """
    return _index(spooled)


def file_derived(dataset: Dataset, *, exam: Exam) -> Instance:
    """File what a pipeline made of `exam`, in a series of its own making; no route is touched.

    `dataset` carries its file meta information or enough for pydicom to make it, and the exam's Study Instance UID.
    Files are fsynced and the series' metadata are written before this returns; the rows belong to the caller's
    transaction, if any. The same dataset again returns the same instance.
    Raises NotFiled when the dataset belongs to another exam, cannot be read back, or its UIDs are taken.
    """
    return _file_made(dataset, exam, Series.Origin.DERIVED)


def file_deposit(dataset: Dataset, *, exam: Exam, origin: Series.Origin) -> Instance:
    """File what a person made of `exam`, in a series of its own; otherwise as `file_derived`."""
    return _file_made(dataset, exam, origin)


def _file_made(dataset: Dataset, exam: Exam, origin: Series.Origin) -> Instance:
    if dataset.get("StudyInstanceUID") != exam.study_instance_uid:
        raise NotFiled(f"A result for exam {dataset.get('StudyInstanceUID')} cannot be filed in {exam}.")
    with _encoded(dataset) as part:
        try:
            return _file_encoded(part, origin)
        except Refused as refused:
            raise NotFiled(refused.explanation) from refused


def index_waiting() -> list[Outcome]:
    """File everything that waits, in order of arrival.

    What is new goes in batches, a transaction for a series; what is not, or cannot be filed so, goes alone.
    """
    outcomes = []
    waiting = spool.waiting()
    for start in range(0, len(waiting), _BATCH):
        batch = waiting[start : start + _BATCH]
        filed = batches.file_new(batch)
        outcomes += [Outcome(instance=one) for one in filed.values()]
        for path in batch:
            if path in filed:
                continue
            with suppress(FileNotFoundError):  # another process was first
                outcomes.append(index(path))
    return outcomes


def run(*, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Index what arrives, until told to stop; a lost database or a full disk is waited for."""
    pause, is_troubled = Event(), False
    spool.sweep()
    while not should_stop():
        close_old_connections()
        try:
            filed = index_waiting()
        except (OperationalError, InterfaceError, OSError) as error:
            if not is_troubled:
                _logger.warning("Indexing waits, nothing is lost: %s. Check the database and the disk.", _told(error))
            is_troubled = True
            pause.wait(_RETRY_SECONDS)
            continue
        if is_troubled:
            _logger.info("Indexing goes on.")
        is_troubled = False
        if not filed:
            pause.wait(_POLL_SECONDS)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__


def _index(spooled: Spooled) -> Outcome:
    try:
        header = read_header(spooled.file)
        outcome = _file_received(header, spooled)
    except Refused as refused:
        return Outcome(quarantined=quarantine(spooled, refused))
    except (OperationalError, InterfaceError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a defect must neither hide nor hold up what waits behind this file
        return Outcome(quarantined=quarantine(spooled, _defect(error, spooled)))
    spooled.path.unlink(missing_ok=True)
    return outcome


def _defect(error: Exception, spooled: Spooled) -> Refused:
    """Log where it happened, but not the error's message: it may quote a patient."""
    name, where = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    _logger.critical("Could not file %s: %s at\n%s", spooled.path.name, name, where)
    return Refused(
        Reason.NOT_FILED, f"Overread failed on it ({name}). This is a defect: report it, and retry after an upgrade."
    )


def _file_received(header: Header, spooled: Spooled) -> Outcome:
    try:
        return _file_once(header, spooled)
    except IntegrityError:  # another process filed the UID in another series first; now it is seen
        return _file_once(header, spooled)


def _file_once(header: Header, spooled: Spooled) -> Outcome:
    with transaction.atomic(durable=True):
        series = filing.locked_series(header, origin=Series.Origin.RECEIVED)
        instance = filing.existing(header, series)
        is_repeat = instance is not None
        if instance is not None and filing.is_placed(header, spooled.path):
            return Outcome(instance=instance)  # filed before a kill
        if instance is None:
            instance = filing.create(header, spooled.path, series, received_at=spooled.arrived_at)
        else:
            filing.count_repeat(instance)
        filing.touch_route(instance, header, arrived_at=spooled.arrived_at)
        QuarantinedInstance.objects.filter(file_name=spooled.path.name).delete()  # a retry that went well
    return Outcome(instance=instance, is_repeat=is_repeat)


@contextmanager
def _encoded(dataset: Dataset) -> Iterator[Path]:
    """The dataset as a durable file on the store's disk, from where it is linked to its place."""
    store.durable_folder(store.spool_folder())
    part = store.spool_folder() / f"{uuid4()}.part"
    try:
        with part.open("xb") as file:
            dataset.save_as(file, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


def _file_encoded(part: Path, origin: Series.Origin) -> Instance:
    with part.open("rb") as file:
        header = read_header(file)
    with transaction.atomic():
        series = filing.locked_series(header, origin=origin)
        instance = filing.existing(header, series)
        if instance is None:
            instance = filing.create(header, part, series, received_at=now())
        write_metadata(series)
    return instance
