"""Every file that pydicom tests itself with goes in by both doors: taken, or refused with a reason; nothing breaks."""

import json
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from django.test import Client
from pydicom.uid import UID, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from dicom_ingest import spool, store
from dicom_ingest.models import AETitle, Instance, QuarantinedInstance
from dicom_ingest.spool import NotPart10
from tests.dicom_ingest.receive_process import receive_process
from tests.dicom_ingest.scanner import HOST
from tests.dicom_ingest.test_stow import post
from tests.dicom_ingest.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
UNKNOWN_CLASS = "the SOP class is not one of storage"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a sender that does not look inside would put on the network: what has no header goes as an MR image."""

    dataset: bytes
    sop_class: UID = MRImageStorage
    syntax: UID = ImplicitVRLittleEndian

    @classmethod
    def of(cls, path: Path) -> "Message":
        with path.open("rb") as file:
            try:
                meta = spool.read_meta(file)
            except NotPart10:
                return cls(dataset=path.read_bytes())
            sop_class = UID(meta.get("MediaStorageSOPClassUID") or MRImageStorage)
            return cls(dataset=file.read(), sop_class=sop_class, syntax=meta.TransferSyntaxUID)

    def send(self, port: int) -> int | str:
        """The status that the receiver answers, or in words why it did not come so far."""
        association = AE("SCANNER").associate(
            HOST, port, ae_title="BRAIN", contexts=[build_context(self.sop_class, self.syntax)]
        )
        if not association.accepted_contexts:
            return UNKNOWN_CLASS
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = self.sop_class, "1.2.3"
        request.DataSet = BytesIO(self.dataset)
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        _, answer = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        association.release()
        assert answer is not None, "The association ended without an answer."
        assert answer.Status == 0x0000 or answer.ErrorComment, f"{answer.Status:#06x} without a word"
        return int(answer.Status)


def test_by_c_store_each_is_filed_quarantined_or_refused(tmp_path: Path) -> None:
    AETitle.objects.create(title="BRAIN")
    said = tmp_path / "stderr"
    with said.open("w") as stderr, receive_process(stderr=stderr.fileno()) as running:
        before = set(running.members())
        answers = {path: Message.of(path).send(running.port) for path in FILES}
        assert until(lambda: spool.waiting() == [], seconds=60)
        assert before <= set(running.members())
    taken = [path for path, answer in answers.items() if answer == 0x0000]
    assert len(taken) > 150
    filed = sum(1 + repeats for repeats in Instance.objects.values_list("repeats", flat=True))
    # One that is refused with its reason may be kept for the operator too.
    assert len(taken) <= filed + QuarantinedInstance.objects.count() <= len(FILES)
    assert_nothing_broke(said.read_text())
    assert {path.name[:8] for path, answer in answers.items() if answer == UNKNOWN_CLASS} == {"DICOMDIR"}


def test_by_stow_each_is_filed_quarantined_or_refused(sender: Client, caplog: pytest.LogCaptureFixture) -> None:
    outcomes: Counter[str] = Counter()
    for path in FILES:
        response = post(sender, path.read_bytes())
        assert response.status_code in {200, 409}, (path.name, response.content)
        assert b"Traceback" not in response.content
        report = json.loads(response.content)
        failures = report.get("00081198", report.get("0008119A", {})).get("Value", [])
        assert len(failures) == (response.status_code == 409), path.name
        assert response.status_code == 200 or response["Warning"], path.name
        outcomes["stored" if response.status_code == 200 else "failed"] += 1
    assert sum(1 + repeats for repeats in Instance.objects.values_list("repeats", flat=True)) == outcomes["stored"]
    assert outcomes["stored"] > 60  # many of the others share a UID, or have no pixels
    assert spool.waiting() == []
    assert_nothing_broke(caplog.text)


def assert_nothing_broke(said: str) -> None:
    reasons = Counter(QuarantinedInstance.objects.values_list("reason", flat=True))
    assert QuarantinedInstance.Reason.NOT_FILED not in reasons, QuarantinedInstance.objects.filter(
        reason=QuarantinedInstance.Reason.NOT_FILED
    ).values_list("explanation", flat=True)
    assert all(QuarantinedInstance.objects.values_list("explanation", flat=True))
    assert len(list(store.quarantine_folder().iterdir())) == sum(reasons.values())
    assert "Traceback" not in said, said
