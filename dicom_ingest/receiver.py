"""The DIMSE receiver: a Storage SCP that keeps each dataset as it came and answers success only when it is safe.

Datasets are never decoded here. pynetdicom could write them to disk itself (STORE_RECV_CHUNKED_DATASET), but to its own
temporary file, without the AE titles and without an fsync; the bytes would have to be written twice.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

from django.db import DatabaseError, close_old_connections, connection
from pydicom.uid import UID
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, _config, evt
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification

from dicom_ingest import spool
from dicom_ingest.models import AETitle
from dicom_ingest.rejections import Recorder, Rejection

_logger = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
# A-ASSOCIATE-RJ: permanent, by the service user, called AE title not recognised (PS3.8, 9.3.4).
_UNKNOWN_CALLED_AE = (1, 1, 7)
_LARGEST_PDU = 1 << 18
_MOST_ASSOCIATIONS = 64
_REFRESH_SECONDS = 5.0
_GRACE_SECONDS = 5.0

_STORAGE_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
# Without those of JPIP, which refer to pixel data elsewhere.
_TRANSFER_SYNTAXES = frozenset(ALL_TRANSFER_SYNTAXES) - {"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95"}


class CalledTitles:
    """The AE titles that may be called: the active rows of the database, as last known."""

    def __init__(self) -> None:
        self._titles: frozenset[str] = frozenset()
        self._is_current = True
        self._stop = Event()
        self._thread = Thread(target=self._run, name="called-titles", daemon=True)

    def __contains__(self, title: object) -> bool:
        return title in self._titles

    def start(self) -> None:
        """Read the titles, waiting for the database if need be, and then again every few seconds."""
        self._read()
        while not self._is_current:
            time.sleep(1)
            self._read()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_REFRESH_SECONDS):
            self._read()
        connection.close()

    def _read(self) -> None:
        close_old_connections()
        try:
            self._titles = frozenset(AETitle.objects.filter(active=True).values_list("title", flat=True))
        except DatabaseError as error:
            if self._is_current:
                _logger.warning("AE titles cannot be read (%s); those last known stay in force.", type(error).__name__)
            self._is_current = False
            return
        self._is_current = True


class Receiver:
    """Listens on one port. `is_known` tells whether a called AE title is ours; `refused` is told of the others."""

    def __init__(self, *, is_known: Callable[[str], bool], refused: Callable[[Rejection], None]) -> None:
        self._is_known = is_known
        self._refused = refused
        _config.LOG_HANDLER_LEVEL = "none"
        self._entity = AE(ae_title="OVERREAD")
        self._entity.maximum_pdu_size = _LARGEST_PDU
        self._entity.maximum_associations = _MOST_ASSOCIATIONS
        self._entity.supported_contexts = [build_context(Verification)]

    def start(self, host: str, port: int) -> int:
        """Listen, and return the port (a free one when `port` is 0). Raises OSError when it cannot be had."""
        self._server = self._entity.start_server(
            (host, port),
            block=False,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, _send_without_delay),
                (evt.EVT_REQUESTED, self._judge),
                (evt.EVT_C_ECHO, _echo),
                (evt.EVT_C_STORE, _store),
            ],
        )
        return int(self._server.server_address[1])

    def stop(self, *, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Accept no more associations, let those that are open end, then abort the rest.

        An instance cut off was not acknowledged: its sender sends it again.
        """
        self._server.shutdown()
        deadline = time.monotonic() + grace_seconds
        while self._entity.active_associations and time.monotonic() < deadline:
            time.sleep(0.05)
        self._entity.shutdown()

    def _judge(self, event: evt.Event) -> None:
        """Refuse an unknown called AE title; otherwise support every storage class that was proposed."""
        association, request = event.assoc, event.assoc.requestor.primitive
        if self._is_known(request.called_ae_title):
            association.acceptor.supported_contexts = _supported(request.presentation_context_definition_list)
            return
        association.acse.send_reject(*_UNKNOWN_CALLED_AE)
        self._refused(
            Rejection(
                called_ae=request.called_ae_title,
                calling_ae=request.calling_ae_title,
                address=str(association.requestor.address),
                explanation="The called AE title is not one of Overread's.",
            )
        )
        association.kill()  # waits until the refusal is sent and the peer has hung up


@contextmanager
def listening(host: str, port: int) -> Iterator[int]:
    """Run a receiver whose tables are in the database, and give its port. Raises OSError when it cannot be had."""
    with ExitStack() as stack:
        titles, recorder = CalledTitles(), Recorder()
        receiver = Receiver(is_known=titles.__contains__, refused=recorder.put)
        titles.start()
        stack.callback(titles.stop)
        recorder.start()
        stack.callback(recorder.stop)
        bound = receiver.start(host, port)
        stack.callback(receiver.stop)
        yield bound


def _supported(proposed: list[PresentationContext]) -> list[PresentationContext]:
    """The proposed storage classes, each in every transfer syntax that was proposed with it and pydicom knows."""
    syntaxes: dict[UID, list[UID]] = {}
    for context in proposed:
        if context.abstract_syntax in _STORAGE_CLASSES:
            known = [syntax for syntax in context.transfer_syntax if syntax in _TRANSFER_SYNTAXES]
            syntaxes.setdefault(context.abstract_syntax, []).extend(known)
    contexts = [build_context(abstract, list(dict.fromkeys(known))) for abstract, known in syntaxes.items() if known]
    return [*contexts, build_context(Verification)]


def _send_without_delay(event: evt.Event) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _echo(_event: evt.Event) -> int:
    return SUCCESS


def _store(event: evt.Event) -> int:
    """Keep the dataset; tell success only after the spool has it for good."""
    request, association = event.request, event.assoc.requestor.primitive
    if request.DataSet is None:
        return CANNOT_UNDERSTAND
    try:
        spool.write(
            request.DataSet.getvalue(),
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            called_ae=association.called_ae_title,
            calling_ae=association.calling_ae_title,
        )
    except OSError as error:
        _logger.critical(
            "An instance could not be kept and was refused: %s. Free space under OVERREAD_STORE.", error.strerror
        )
        return OUT_OF_RESOURCES
    return SUCCESS
