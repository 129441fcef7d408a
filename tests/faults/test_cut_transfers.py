"""A sender goes away in the middle of an image: nothing of it is kept, and everybody else goes on."""

import socket
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import product

import pytest
from pydicom.uid import MRImageStorage
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from dicom_ingest import store
from dicom_ingest.models import AETitle, Instance, QuarantinedInstance
from tests.dicom_ingest.receive_process import Running, receive_process
from tests.dicom_ingest.scanner import Scanner, encoded, mr_series, mr_slice
from tests.dicom_ingest.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def running() -> Iterator[Running]:
    AETitle.objects.create(title="BRAIN")
    with receive_process() as running:
        yield running


def pieces(association: Association) -> list[P_DATA]:
    """A C-STORE of 512 KiB as the pieces in which it goes over the network."""
    image = mr_slice(study="1.2.3", series="1.2.3.4", number=1, rows=512, columns=512)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MRImageStorage, image.SOPInstanceUID
    request.DataSet = BytesIO(encoded(image))
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    context = next(one for one in association.accepted_contexts if one.abstract_syntax == MRImageStorage)
    return list(message.encode_msg(context.context_id, 16384))


def hang_up(association: Association) -> None:
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)


def reset(association: Association) -> None:
    """Close so that the peer gets a TCP reset, as when a device is switched off."""
    connection = association.dul.socket.socket
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def abort(association: Association) -> None:
    association.abort()


def cut(scanner: Scanner, go_away: Callable[[Association], None], *, share: float) -> None:
    """Send that share of an image's pieces, and go away."""
    association = scanner.associate()
    sent = pieces(association)
    association._reactor_checkpoint.clear()
    for piece in sent[: 1 + int(share * (len(sent) - 1))]:
        association.dul.send_pdu(piece)
    assert until(association.dul.to_provider_queue.empty)
    go_away(association)
    association._reactor_checkpoint.set()


def test_a_transfer_cut_short_leaves_nothing_and_hurts_nobody(running: Running) -> None:
    images = mr_series(slices=9)
    for number, (go_away, share) in enumerate(product([hang_up, reset, abort], [0.0, 0.5, 0.95])):
        cut(Scanner(port=running.port), go_away, share=share)
        assert Scanner(port=running.port).send([images[number]]) == [0x0000], (go_away, share)
    assert until(lambda: list(store.spool_folder().iterdir()) == [] and Instance.objects.count() == len(images))
    assert QuarantinedInstance.objects.count() == 0


def test_many_transfers_that_stall_leave_room_for_the_others(running: Running) -> None:
    stalled = [Scanner(port=running.port, calling_ae=f"STALLED{n}").associate() for n in range(20)]
    for association in stalled:
        for piece in pieces(association)[:5]:
            association.dul.send_pdu(piece)
    assert Scanner(port=running.port).send(mr_series(slices=3)) == [0x0000] * 3
    assert until(lambda: Instance.objects.count() == 3)
    for association in stalled:
        association.abort()


def test_bytes_that_are_no_dicom_hurt_nobody(running: Running) -> None:
    for garbage in (
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xff" + bytes(64),  # an association request of 4 GiB
        b"\x16\x03\x01" + bytes(300),  # TLS
        b"",
    ):
        with socket.create_connection(("127.0.0.1", running.port)) as peer:
            peer.sendall(garbage)
        assert Scanner(port=running.port).echoes(), garbage
