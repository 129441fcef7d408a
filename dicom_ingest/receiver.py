"""The DIMSE receiver: a Storage SCP that keeps each dataset as it came and answers success only when it is safe.

Datasets are never decoded here. What cannot be a dataset at all is told by its first element, answered with a failure,
and still kept for the quarantine; everything else is for the indexer to judge. pynetdicom could write datasets to disk
itself (STORE_RECV_CHUNKED_DATASET), but to its own temporary file, without the AE titles and without an fsync; the
bytes would have to be written twice.
"""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from socketserver import BaseServer
from threading import Thread
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from dicom_ingest import room, spool
from dicom_ingest.admission import CALLED_UNKNOWN, LIMIT_EXCEEDED, Called, CalledTitles, NotAdmitted
from dicom_ingest.association import PromptHandler
from dicom_ingest.pacs import commitment
from dicom_ingest.rejections import Recorder, Rejection
from dicom_ingest.store import MalformedUID, checked_uid

_logger = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
_LARGEST_PDU = 1 << 18
_MOST_ASSOCIATIONS = 64  # of one process
_GRACE_SECONDS = 5.0
_HANDSHAKE_SECONDS = 5.0
_NAMED_CLASSES = 2
_SOP_CLASS_TAG = (0x0008, 0x0016)


class Receiver:
    """Takes associations on listening sockets.

    `called` gives the limits of a called AE title that is ours; `refused` is told of whatever is turned away.
    """

    def __init__(self, *, called: Callable[[str], Called | None], refused: Callable[[Rejection], None]) -> None:
        self._called = called
        self._refused = refused
        self._servers: list[_Server] = []
        _config.LOG_HANDLER_LEVEL = "none"
        self._entity = AE(ae_title="OVERREAD")
        self._entity.maximum_pdu_size = _LARGEST_PDU
        self._entity.maximum_associations = _MOST_ASSOCIATIONS
        self._entity.supported_contexts = [build_context(Verification)]

    def start(self, listening: socket.socket, *, tls: ssl.SSLContext | None = None) -> None:
        """Take associations from a listening socket, which other processes may listen on too; it is closed in the end.

        With `tls` only those who speak TLS are heard.
        """
        server = self._entity.make_server(
            listening.getsockname(),
            evt_handlers=[
                (evt.EVT_REQUESTED, self._judge),
                (evt.EVT_ACCEPTED, self._tell_refused_classes),
                (evt.EVT_C_ECHO, _echo),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_N_EVENT_REPORT, commitment.reported),
            ],
            server_class=_Server,
            request_handler=PromptHandler,
            listening=listening,
            tls=tls,
        )
        self._servers.append(server)
        Thread(target=server.serve_forever, name="listener", daemon=True).start()

    def stop(self, *, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Accept no more associations, let those that are open end, then abort the rest.

        An instance cut off was not acknowledged: its sender sends it again.
        """
        for server in self._servers:
            server.shutdown()
        deadline = time.monotonic() + grace_seconds
        while self._entity.active_associations and time.monotonic() < deadline:
            time.sleep(0.05)
        self._entity.shutdown()

    def _judge(self, event: evt.Event) -> None:
        """Refuse who may not call; otherwise support what the called AE title takes of what was proposed."""
        association, request = event.assoc, event.assoc.requestor.primitive
        try:
            called = self._admitted(association)
            _hold(called, association)
        except NotAdmitted as why:
            self._tell(association, str(why))
            association.acse.send_reject(why.reason.result, why.reason.source, why.reason.reason)
            association.kill()  # waits until the refusal is sent and the peer has hung up
            return
        association.acceptor.supported_contexts = called.supported(request.presentation_context_definition_list)

    def _admitted(self, association: Association) -> Called:
        """The called AE title. Raises NotAdmitted."""
        request = association.requestor.primitive
        called = self._called(request.called_ae_title)
        if called is None:
            raise NotAdmitted(CALLED_UNKNOWN, "The called AE title is not one of Overread's.")
        called.check(calling_ae=request.calling_ae_title, address=str(association.requestor.address))
        if len(self._entity.active_associations) > _MOST_ASSOCIATIONS:
            raise NotAdmitted(LIMIT_EXCEEDED, "Too many associations are open at a time.")
        return called

    def _store(self, event: evt.Event) -> Dataset:
        """Keep the dataset; tell success only after the spool has it for good."""
        if fault := _fault_of_command(event):
            self._tell(event.assoc, f"An instance was refused. {fault.ErrorComment}")
            return fault
        if not room.has_room():
            _logger.critical("An instance was refused. %s", room.lack_of_room())
            return _answer(OUT_OF_RESOURCES, "No room on the disk. Send again later.")
        try:
            _keep(event)
        except OSError as error:
            _logger.critical(
                "An instance could not be kept and was refused: %s. Free space under OVERREAD_STORE.", error.strerror
            )
            return _answer(OUT_OF_RESOURCES, "The instance could not be kept. Send again later.")
        if not _begins_as_dataset(event.request.DataSet.getvalue()[:4], UID(event.context.transfer_syntax)):
            return _answer(CANNOT_UNDERSTAND, "No dataset in the transfer syntax negotiated. Quarantined.")
        return _answer(SUCCESS)

    def _tell_refused_classes(self, event: evt.Event) -> None:
        accepted = {one.abstract_syntax for one in event.assoc.accepted_contexts}
        contexts = [one.abstract_syntax for one in event.assoc.rejected_contexts]
        refused = list(dict.fromkeys(one.name[:64] for one in contexts if one not in accepted))
        if refused:
            others = len(refused) - _NAMED_CLASSES
            more = f" and {others} more" if others > 0 else ""
            self._tell(event.assoc, f"Not taken here: {', '.join(refused[:_NAMED_CLASSES])}{more}.")

    def _tell(self, association: Association, explanation: str) -> None:
        request = association.requestor.primitive
        self._refused(
            Rejection(
                called_ae=request.called_ae_title,
                calling_ae=request.calling_ae_title,
                address=str(association.requestor.address),
                explanation=explanation,
            )
        )


@contextmanager
def receiving(*listening: tuple[socket.socket, ssl.SSLContext | None]) -> Iterator[None]:
    """Run a receiver on listening sockets, its tables in the database, which is waited for."""
    with ExitStack() as stack:
        titles, recorder = CalledTitles(), Recorder()
        receiver = Receiver(called=titles.get, refused=recorder.put)
        titles.start()
        stack.callback(titles.stop)
        recorder.start()
        stack.callback(recorder.stop)
        for one, tls in listening:
            receiver.start(one, tls=tls)
        stack.callback(receiver.stop)
        yield


class _Server(ThreadedAssociationServer):  # type: ignore[misc] # pynetdicom has no types
    """pynetdicom's server on a socket that listens already, and that other processes may listen on too."""

    daemon_threads = True

    def __init__(self, *arguments: Any, listening: socket.socket, tls: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tls = tls
        self.socket = listening
        self.socket.setblocking(False)  # another process may take a connection that was announced to this one too

    def server_bind(self) -> None:
        self.socket.close()  # the one of its own

    def server_activate(self) -> None:
        """It listens already."""

    def server_close(self) -> None:
        """Without shutting the socket down, which would end it for the other processes."""
        self.socket.close()

    def shutdown(self) -> None:
        BaseServer.shutdown(self)
        self.server_close()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, in its own thread: nobody who is slow at the handshake holds up the others."""
        try:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request.settimeout(_HANDSHAKE_SECONDS)
            secured = self._tls.wrap_socket(request, server_side=True) if self._tls else request
            secured.settimeout(self.ae.network_timeout)
        except OSError as error:  # also a failed handshake
            _logger.warning("A connection from %s came to nothing: %s.", client_address[0], error)
            request.close()
            return
        super().process_request_thread(secured, client_address)


def _hold(called: Called, association: Association) -> None:
    """Hold one of the title's associations until this one is over. Raises NotAdmitted when all are taken."""
    held = ExitStack()
    held.enter_context(called.slot())

    def give_back() -> None:
        association.join()
        held.close()

    Thread(target=give_back, name="slot", daemon=True).start()


def _echo(_event: evt.Event) -> int:
    return SUCCESS


def _answer(status: int, comment: str = "") -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment
    return answer


def _fault_of_command(event: evt.Event) -> Dataset | None:
    """The answer where the command alone shows that the instance cannot be taken."""
    if not event.request.DataSet.getvalue():
        return _answer(CANNOT_UNDERSTAND, "The request has no dataset.")
    try:
        checked_uid(str(event.request.AffectedSOPInstanceUID))
    except MalformedUID:
        return _answer(CANNOT_UNDERSTAND, "The SOP Instance UID of the request is malformed.")
    if event.request.AffectedSOPClassUID != event.context.abstract_syntax:
        return _answer(DOES_NOT_MATCH, "The request names another SOP class than was negotiated.")
    return None


def _begins_as_dataset(start: bytes, syntax: UID) -> bool:
    """Whether the first tag comes no later than SOP Class UID.

    Elements are in ascending order (PS3.5, 7.1), and no instance is without that one. A deflated dataset tells nothing.
    """
    if syntax == DeflatedExplicitVRLittleEndian:
        return True
    order = "big" if syntax.is_transfer_syntax and not syntax.is_private and not syntax.is_little_endian else "little"
    tag = (int.from_bytes(start[:2], order), int.from_bytes(start[2:], order))  # type: ignore[arg-type] # one of two
    return len(start) == 4 and tag <= _SOP_CLASS_TAG


def _keep(event: evt.Event) -> None:
    """Raises OSError with nothing kept."""
    request, association = event.request, event.assoc.requestor.primitive
    spool.write(
        request.DataSet.getvalue(),
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        called_ae=association.called_ae_title,
        calling_ae=association.calling_ae_title,
    )
