"""Sends an exam over DICOM as a scanner does: one association, one C-STORE an image, each answer looked at."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.status import code_to_category

ATTEMPTS = 5
SECONDS_BETWEEN_ATTEMPTS = 2.0  # the first time, and each time twice as long: a receiver may be busy starting
TIMEOUT_SECONDS = 60


class OnInstance(Protocol):
    """Told after each image that was acknowledged: `sent` of `total`."""

    def __call__(self, sent: int, total: int) -> None: ...


class SendError(Exception):
    """An exam did not go through whole. The message is one line; `sent` of `total` images were acknowledged."""

    def __init__(self, message: str, *, sent: int, total: int) -> None:
        super().__init__(message)
        self.sent = sent
        self.total = total


class _LostAssociationError(Exception):
    """This association is over before its images are; another may do better."""


class _RefusedImageError(Exception):
    """The receiver looked at an image and refused it; asking again would change nothing."""


def send_exam(folder: Path, *, host: str, port: int, called_ae: str, calling_ae: str, on_instance: OnInstance) -> int:
    """Send every DICOM file (`*.dcm`) of `folder` on one association, and return how many were acknowledged.

    A broken or refused association is tried again, going on where the last one ended.
    Raises SendError, with how many went through, when no attempt could finish or an image was refused.
    """
    paths = sorted(folder.glob("*.dcm"))
    sender = _Sender(paths, host=host, port=port, called_ae=called_ae, calling_ae=calling_ae, on_instance=on_instance)
    if not paths:
        raise sender.error(f"{folder} holds no file named *.dcm. Make the exams again.")
    return sender.send_all()


class _Sender:
    def __init__(
        self, paths: Sequence[Path], *, host: str, port: int, called_ae: str, calling_ae: str, on_instance: OnInstance
    ) -> None:
        self.paths = paths
        self.host, self.port = host, port
        self.called_ae, self.calling_ae = called_ae, calling_ae
        self.on_instance = on_instance
        self.sent = 0

    def error(self, reason: str) -> SendError:
        return SendError(
            f"{self.sent} of {len(self.paths)} images went through to {self.called_ae} at {self.host}:{self.port}: "
            f"{reason}",
            sent=self.sent,
            total=len(self.paths),
        )

    def send_all(self) -> int:
        reason = ""
        for attempt in range(ATTEMPTS):
            time.sleep(SECONDS_BETWEEN_ATTEMPTS * 2 ** (attempt - 1) if attempt else 0)
            try:
                return self._send_rest()
            except _LostAssociationError as interrupted:
                reason = str(interrupted)
            except _RefusedImageError as refused:
                raise self.error(str(refused)) from refused
        raise self.error(f"{reason} Tried {ATTEMPTS} times; check that the receiver runs (`manage.py receive`).")

    def _send_rest(self) -> int:
        rest = self.paths[self.sent :]
        entity = AE(ae_title=self.calling_ae)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_SECONDS
        contexts = list(_contexts(rest))
        association = entity.associate(
            self.host,
            self.port,
            contexts=contexts,
            ae_title=self.called_ae,
            evt_handlers=[(evt.EVT_CONN_OPEN, _send_without_waiting)],
        )
        if not association.is_established:
            why = "the association was rejected." if association.is_rejected else "no association could be made."
            raise _LostAssociationError(why)
        try:
            for path in rest:
                self._send_one(association, path)
        finally:
            association.release()
        return self.sent

    def _send_one(self, association: Association, path: Path) -> None:
        try:
            answer = association.send_c_store(path)
        except RuntimeError as error:  # pynetdicom's word for an association that ended since the last image
            raise _LostAssociationError("the association was lost.") from error
        except ValueError as error:  # pynetdicom's word for a presentation context that was not accepted
            raise _RefusedImageError(f"{path.name} is of a kind that the receiver does not take ({error}).") from error
        _look_at(answer, path)
        self.sent += 1
        self.on_instance(self.sent, len(self.paths))


def _send_without_waiting(event: Event) -> None:
    # Nagle's algorithm and the peer's delayed acknowledgement together cost 40 ms an image.
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _look_at(answer: Dataset, path: Path) -> None:
    if "Status" not in answer:
        raise _LostAssociationError("the connection was lost, or no answer came in time.")
    category = code_to_category(answer.Status)
    if category not in ("Success", "Warning"):
        comment = answer.get("ErrorComment", "no reason given")
        raise _RefusedImageError(f"{path.name} was refused with status 0x{answer.Status:04X} ({comment}).")


def _contexts(paths: Sequence[Path]) -> Iterator[PresentationContext]:
    """One presentation context for each pair of SOP class and transfer syntax among the files."""
    pairs = set()
    for path in paths:
        meta = read_file_meta_info(path)
        pairs.add((meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID))
    for sop_class_uid, transfer_syntax_uid in sorted(pairs):
        yield build_context(sop_class_uid, transfer_syntax_uid)
