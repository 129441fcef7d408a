"""What a reader sends to the DICOMweb root of a read: handed to whoever keeps objects of its class.

An object comes under the UIDs by which the read shows the exam, and is handed on under the store's own. What is
answered, and what is refused, names nothing of the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO

from django.http import HttpRequest, JsonResponse
from pydicom import Dataset
from pydicom.uid import SegmentationStorage

from dicom_ingest.dicomweb import deposits
from dicom_ingest.dicomweb.deposits import Deposit
from dicom_ingest.dicomweb.refusals import NotTaken, NotThere
from dicom_ingest.dicomweb.scope import Target
from portal.models import User
from studies.annotation import annotating
from studies.blinding import own_uids
from studies.blinding.access import CannotBeShown, ReadScope, viewable
from studies.blinding.errors import Unshowable
from studies.models import Read
from studies.reading import corrections, measurements
from studies.reading.reads import ReadRefused
from studies.reading.report_content import REPORTS

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ToRead:
    """One object for a read. dataset: under the store's UIDs; original: as it came; opened: of the editor's page."""

    read: Read
    by: User
    dataset: Dataset
    original: bytes
    opened: str


Keep = Callable[[ToRead], None]


def _segmentation(sent: ToRead) -> None:
    """An annotator's mask for an arm, or a reader's correction of the one that the read shows."""
    if sent.read.kind == Read.Kind.ANNOTATION:
        annotating.save_drawn(sent.read, BytesIO(sent.original), by=sent.by)
        return
    corrections.keep(sent.read, sent.dataset, by=sent.by, original=sent.original, opened=sent.opened)


def _measured(sent: ToRead) -> None:
    measurements.keep_report(sent.read, sent.dataset, by=sent.by, original=sent.original)


KEEPS: Mapping[str, Keep] = {
    SegmentationStorage: _segmentation,
    **dict.fromkeys(REPORTS, _measured),
}
"""By SOP class, who keeps it. They raise ReadRefused with a sentence that names nothing of patient, arm or store."""


def store(request: HttpRequest, _scope: ReadScope, _target: Target) -> JsonResponse:
    """`POST /studies` of a read's root."""
    assert request.resolver_match is not None and isinstance(request.user, User)
    user = request.user
    read = viewable(user).select_related("form").filter(pk=request.resolver_match.kwargs["read"]).first()
    if read is None:
        raise NotThere

    def keep(deposit: Deposit) -> None:
        take = KEEPS.get(str(deposit.dataset.get("SOPClassUID", "")))
        if take is None:
            raise NotTaken(
                "A read keeps no objects of this kind. Nothing was saved. Save masks as a segmentation (SEG), and "
                "measurements as a report (SR)."
            )
        try:
            own_uids.in_store(read, deposit.dataset)
            take(ToRead(read=read, by=user, dataset=deposit.dataset, original=deposit.original, opened=deposit.opened))
        except ReadRefused as refused:
            raise NotTaken(str(refused)) from refused
        except Unshowable as reason:
            log.warning("Nothing can be saved to read %s: %s", read.pk, reason)
            raise CannotBeShown from reason

    return deposits.take(request, keep)
