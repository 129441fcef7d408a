"""A modality that does what a good one does: it sends each image again until it is told that it was stored."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from dicom_ingest import spool, store
from dicom_ingest.models import Instance
from tests.dicom_ingest.scanner import Scanner, encoded

PAUSE_SECONDS = 0.1


@dataclass(kw_only=True)
class Outbox:
    """`acknowledged` holds the digests of the datasets that the receiver said it stored.

    `refusals` are the statuses of those it refused, and `lost_associations` counts those that ended, or never
    came to be, while images waited.
    """

    scanner: Scanner
    called_ae: str = "BRAIN"
    acknowledged: set[str] = field(default_factory=set)
    refusals: list[int] = field(default_factory=list)
    lost_associations: int = 0

    def deliver(self, images: Iterable[Dataset], *, within: float) -> bool:
        """Send `images` in order, however often the association is lost; False when time ran out."""
        waiting = deque(images)
        deadline = time.monotonic() + within
        while waiting and time.monotonic() < deadline:
            self._send(waiting)
            if waiting:
                time.sleep(PAUSE_SECONDS)
        return not waiting

    def _send(self, waiting: deque[Dataset]) -> None:
        association = self.scanner.associate(self.called_ae, classes=dict.fromkeys(one.SOPClassUID for one in waiting))
        while waiting and association.is_established:
            answer = association.send_c_store(waiting[0])
            if "Status" not in answer:
                break
            if answer.Status != 0x0000:
                self.refusals.append(answer.Status)
                break
            self.acknowledged.add(digest(encoded(waiting.popleft())))
        if association.is_established:
            association.release()
        elif waiting:
            self.lost_associations += 1


def kept() -> set[str]:
    """The digests of every dataset that is filed or quarantined."""
    return set(Instance.objects.values_list("sha256", flat=True)) | quarantined()


def quarantined() -> set[str]:
    """The digests of the datasets in quarantine."""
    return {_digest_of_file(path) for path in store.quarantine_folder().glob("*.dcm")}


def digest(dataset: bytes) -> str:
    """What Overread tells datasets apart by."""
    return hashlib.sha256(dataset).hexdigest()


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        spool.read_meta(file)
        return digest(file.read())
