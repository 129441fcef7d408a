"""Storage commitment, push model (PS3.4, annex J): a remote is asked to answer for what it took.

Its answer comes on the same association, or later on one of its own to our receiver: then the calling AE title of the
remote's row has to be one of our active AE titles.
"""

import logging
import time
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.utils.timezone import now
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from dicom_ingest.pacs.errors import PacsError
from dicom_ingest.pacs.models import Sending, SentInstance, Transfer
from dicom_ingest.pacs.remotes import SUCCESS, association, status_of

logger = logging.getLogger(__name__)

_REQUEST = 1  # Action Type ID of "Request Storage Commitment"
_PROCESSING_FAILURE = 0x0110
_WAIT_SECONDS = 2.0
_ASKED_AGAIN_AFTER = timedelta(hours=1)
_ASKED_FOR = timedelta(days=7)
State = SentInstance.State


def ask(sending: Sending) -> None:
    """Ask for what was sent and is not committed, and stay a moment for the answer. Raises PacsError."""
    sent = list(sending.instances.filter(state=State.SENT).select_related("instance"))
    if not sent:
        return
    sending.commitment_uid = generate_uid()
    Sending.objects.filter(pk=sending.pk).update(commitment_uid=sending.commitment_uid, commitment_asked_at=now())
    context = build_context(StorageCommitmentPushModel)
    with association(sending.remote, [context], handlers=[(evt.EVT_N_EVENT_REPORT, reported)]) as opened:
        answer, _ = opened.send_n_action(
            _request(sending, sent), _REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        status = status_of(answer, sending.remote)
        if status != SUCCESS:
            raise PacsError(f"{sending.remote} refused storage commitment with status 0x{status:04X}.")
        _stay(sending)


def remind() -> int:
    """Have remotes asked once more for what they did not answer for within the hour; returns how many sendings.

    A sending is asked for during a week. After that it stays as it is, and its page says that the answer is awaited.
    """
    silent = Sending.objects.filter(
        state=Transfer.State.DONE,
        remote__active=True,
        remote__commitment=True,
        commitment_asked_at__lt=now() - _ASKED_AGAIN_AFTER,
        created_at__gt=now() - _ASKED_FOR,
        pk__in=SentInstance.objects.filter(state=State.SENT).values("sending"),
    )
    return silent.update(state=Transfer.State.QUEUED, attempts=0, not_before=now(), finished_at=None)


def reported(event: evt.Event) -> tuple[int, None]:
    """Write down what a remote commits itself to, on whichever association it says so."""
    try:
        is_known = _record(event.event_information)
    except DatabaseError as error:
        logger.warning("A storage commitment could not be written down (%s).", type(error).__name__)
        return _PROCESSING_FAILURE, None
    finally:
        connection.close()  # the association's thread ends with it
    return (SUCCESS if is_known else _PROCESSING_FAILURE), None


@transaction.atomic
def _record(report: Dataset) -> bool:
    transaction_uid = str(report.get("TransactionUID") or "")
    sending = Sending.objects.filter(commitment_uid=transaction_uid).exclude(commitment_uid="").first()
    if sending is None:
        logger.warning("A remote reported a storage commitment that nobody asked for.")
        return False
    sent = sending.instances.filter(state__in=[State.SENT, State.COMMITTED])
    committed = _uids(report, "ReferencedSOPSequence")
    sent.filter(instance__sop_instance_uid__in=committed).update(state=State.COMMITTED, reason="", at=now())
    refused = sent.filter(instance__sop_instance_uid__in=_uids(report, "FailedSOPSequence"))
    number = refused.update(state=State.FAILED, reason="It was sent, but the remote does not commit itself to keep it.")
    if number:
        Sending.objects.filter(pk=sending.pk, state=Transfer.State.DONE).update(
            state=Transfer.State.FAILED, reason=f"{number} instances were sent, but are not committed. Send them again."
        )
    return True


def _uids(report: Dataset, sequence: str) -> list[str]:
    return [str(one.ReferencedSOPInstanceUID) for one in report.get(sequence) or []]


def _request(sending: Sending, sent: list[SentInstance]) -> Dataset:
    request = Dataset()
    request.TransactionUID = sending.commitment_uid
    request.ReferencedSOPSequence = []
    for item in sent:
        reference = Dataset()
        reference.ReferencedSOPClassUID = item.instance.sop_class_uid
        reference.ReferencedSOPInstanceUID = item.instance.sop_instance_uid
        request.ReferencedSOPSequence.append(reference)
    return request


def _stay(sending: Sending) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while sending.instances.filter(state=State.SENT).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
