"""What could not be filed: kept apart with its reason, until somebody retries or discards it."""

import hashlib
import logging
import os

from django.db import transaction

from dicom_ingest import spool
from dicom_ingest.header import ae_title
from dicom_ingest.models import DiscardedInstance, QuarantinedInstance
from dicom_ingest.refusal import Refused
from dicom_ingest.spool import NotPart10, Spooled
from dicom_ingest.store import durable_folder, quarantine_folder, spool_folder, sync_folder
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User

_logger = logging.getLogger(__name__)


def quarantine(spooled: Spooled, refused: Refused) -> QuarantinedInstance:
    """Move a waiting file to the quarantine under its own name; doing so again after a kill is harmless."""
    target = quarantine_folder() / spooled.path.name
    durable_folder(target.parent)
    if not target.exists():
        target.hardlink_to(spooled.path)
        sync_folder(target.parent)
    called_ae, calling_ae = _ae_titles(spooled)
    with transaction.atomic(durable=True):
        row, _ = QuarantinedInstance.objects.update_or_create(
            file_name=target.name,
            defaults={
                "reason": refused.reason,
                "explanation": refused.explanation.replace("\0", ""),
                "called_ae": called_ae,
                "calling_ae": calling_ae,
                "size": target.stat().st_size,
                "received_at": spooled.arrived_at,
            },
        )
    spooled.path.unlink(missing_ok=True)
    return row


def retry(quarantined: QuarantinedInstance) -> None:
    """Put the file back in the spool, as if it arrived now; the indexer takes its row away or renews it.

    Raises FileNotFoundError when the file is not in the quarantine.
    """
    path = quarantine_folder() / quarantined.file_name
    os.utime(path)
    durable_folder(spool_folder())
    path.rename(spool_folder() / path.name)
    sync_folder(spool_folder())
    trail.record(Action.QUARANTINE_RETRIED, of=path.name)


def discard(quarantined: QuarantinedInstance, *, by: User, why: str) -> DiscardedInstance:
    """Delete the file for good; what it was, its digest, who discarded it and why stay on record.

    Raises FileNotFoundError when the file is not in the quarantine: it is being filed again.
    """
    path = quarantine_folder() / quarantined.file_name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    copied = ("reason", "explanation", "file_name", "called_ae", "calling_ae", "size", "received_at")
    with transaction.atomic():
        record = DiscardedInstance.objects.create(
            **{name: getattr(quarantined, name) for name in copied}, sha256=digest, discarded_by=by, why=why
        )
        quarantined.delete()
        trail.record(Action.QUARANTINE_DISCARDED, of=record.file_name, detail={"sha256": digest})
    _logger.warning("User %s discarded quarantined %s (%s).", by.pk, record.file_name, record.reason)
    path.unlink(missing_ok=True)
    return record


def _ae_titles(spooled: Spooled) -> tuple[str, str]:
    try:
        meta = spool.read_meta(spooled.file)
    except NotPart10:
        return "", ""
    return ae_title(meta, "ReceivingApplicationEntityTitle"), ae_title(meta, "SendingApplicationEntityTitle")
