"""pynetdicom's associations without its pauses, and without the rejections that it loses.

pynetdicom looks for bytes, for messages and for answers every millisecond, each in a loop of its own, which together
is more than keeping an image takes. Here the thread that reads waits on the socket, and serves C-STORE itself: it is
answered as soon as its last byte is there.
"""

import queue
import select
from contextlib import suppress
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.transport import AssociationSocket, RequestHandler

_WAIT_SECONDS = 0.005  # what other threads have to send waits as long
_MOST_AT_ONCE = 1 << 16


def keep_rejection(event: evt.Event) -> None:
    """For EVT_PDU_RECV of a requestor: that the peer rejected the association, and why, is never lost.

    pynetdicom closes the connection as soon as it has read a rejection. Where the thread that asked wakes only after
    that, it takes the peer for one that never answered.
    """
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        event.assoc.acceptor.primitive = event.pdu.to_primitive()
        event.assoc.is_rejected = True


class PromptHandler(RequestHandler):  # type: ignore[misc] # pynetdicom has no types
    """Makes the association of one connection."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # that there is a connection, which the other socket tells again
        association.dul.socket = _PromptSocket(association, client_socket=self.request)
        association.dimse.msg_queue = _PromptQueue(association)
        return association


class _PromptSocket(AssociationSocket):  # type: ignore[misc]
    @property
    def ready(self) -> bool:
        """Whether there are bytes to be read, now or in a moment."""
        if super().ready:
            return True
        with suppress(OSError, ValueError):  # a connection that is lost or closed: pynetdicom finds out by itself
            select.select([self.socket], [], [], _WAIT_SECONDS)
        return bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """As many bytes as asked for, fewer when the connection ends."""
        assert self.socket is not None
        received = bytearray()  # grows with what comes: the length is the sender's word, and may be 4 GiB
        while (left := nr_bytes - len(received)) and (chunk := self.socket.recv(min(left, _MOST_AT_ONCE))):
            received += chunk
        return received


class _PromptQueue(queue.Queue[Any]):
    """Where pynetdicom's reading thread puts messages for the association's own thread, all but C-STORE requests."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        context_id, message = item
        contexts = [one for one in self._association.accepted_contexts if one.context_id == context_id]
        if contexts and self._is_store(message):
            StorageServiceClass(self._association).SCP(message, contexts[0])
        else:
            super().put(item, block, timeout)

    def _is_store(self, message: Any) -> bool:
        """Before it is established the association's own thread has to have its turn first."""
        return isinstance(message, C_STORE) and message.is_valid_request and self._association.is_established
