"""Reaching a remote over DIMSE, and telling in words why it cannot be reached."""

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification
from requests import codes

from dicom_ingest.association import keep_rejection
from dicom_ingest.pacs import web
from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
SUCCESS = 0x0000
_PERMANENT = 1  # result of A-ASSOCIATE-RJ (PS3.8, 9.3.4)
_LARGEST_PDU = 1 << 18

Handlers = Sequence[tuple[Any, Callable[[evt.Event], Any]]]


@contextmanager
def association(
    remote: Remote,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Handlers = (),
    answer_seconds: float = ANSWER_SECONDS,
) -> Iterator[Association]:
    """An association with `remote`, released at the end, or aborted where the block raises.

    Raises PacsError when it cannot be had now, Refused when the remote will never accept it.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    entity = AE(ae_title=remote.calling_ae)
    entity.maximum_pdu_size = _LARGEST_PDU
    entity.connection_timeout = entity.acse_timeout = CONNECT_SECONDS
    entity.dimse_timeout = entity.network_timeout = answer_seconds
    opened = _associate(entity, remote, contexts, roles=roles, handlers=handlers)
    try:
        yield opened
    except BaseException:
        opened.abort()
        raise
    opened.release()


def echo(remote: Remote) -> str:
    """Ask the remote whether it is there; its answer as a sentence. Raises PacsError."""
    if remote.kind == Remote.Kind.DICOMWEB:
        with web.session(remote) as session, web.get(session, remote, "/studies", params="limit=1") as response:
            if response.status_code not in {codes.ok, codes.no_content}:
                raise web.refusal(remote, response)
        return f"{remote} answers searches at {remote.base_url}."
    with association(remote, [build_context(Verification)]) as opened:
        status = status_of(opened.send_c_echo(), remote)
    if status != SUCCESS:
        raise PacsError(f"{remote} answered the echo with status 0x{status:04X}.")
    return f"{remote} answers as {remote.address}, called by {remote.calling_ae}."


def status_of(answer: Dataset, remote: Remote) -> int:
    """The status of a DIMSE answer. Raises PacsError where there was none: the association was lost."""
    if "Status" not in answer:
        raise PacsError(f"{remote} stopped answering. It is tried again.")
    return int(answer.Status)


def _associate(
    entity: AE,
    remote: Remote,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation],
    handlers: Handlers,
) -> Association:
    is_open: list[bool] = []

    def connected(event: evt.Event) -> None:
        is_open.append(True)
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    opened = entity.associate(
        remote.host,
        remote.port,
        contexts=list(contexts),
        ae_title=remote.ae_title,
        ext_neg=list(roles),
        tls_args=(ssl.create_default_context(), remote.host) if remote.tls else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, connected), (evt.EVT_PDU_RECV, keep_rejection), *handlers],
    )
    if not opened.is_established:
        raise _why_not(opened, remote, is_open=bool(is_open))
    return opened


def _why_not(opened: Association, remote: Remote, *, is_open: bool) -> PacsError:
    answer = opened.acceptor.primitive
    if opened.is_rejected and answer is not None:
        sentence = f"{remote} rejected the association: {answer.reason_str}. "
        if answer.result == _PERMANENT:
            return Refused(
                f"{sentence}Check the AE titles: ours is {remote.calling_ae}, and we call it {remote.ae_title}."
            )
        return PacsError(f"{sentence}It is busy; it is tried again.")
    if is_open and opened.is_aborted:
        return PacsError(
            f"{remote} broke the association off while it was set up. Check TLS on both sides, and whether it takes "
            f"what was proposed."
        )
    return PacsError(
        f"Nothing answers at {remote.host}:{remote.port}. Check the address, the firewall, and that {remote} runs."
        if not remote.tls
        else f"No TLS connection with {remote.host}:{remote.port}. Check the address and the certificate it shows."
    )
