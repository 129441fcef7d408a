"""The receiver over real associations, with pynetdicom and DCMTK as scanners."""

import logging
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import UID, ImplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage, SecondaryCaptureImageStorage
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind

from dicom_ingest import spool
from dicom_ingest.admission import CalledTitles
from dicom_ingest.models import AETitle, RejectedAssociation
from dicom_ingest.rejections import Recorder, Rejection
from tests.dicom_ingest.outage import database_away
from tests.dicom_ingest.scanner import HOST, Scanner, as_file, encoded, listening, mr_series, receiving
from tests.dicom_ingest.waiting import until

IMPLICIT = UID(ImplicitVRLittleEndian)


def dcmtk(tool: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([tool, "-v", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)


def test_each_instance_is_kept_before_it_is_acknowledged(scanner: Scanner) -> None:
    series = mr_series(slices=3)
    association = scanner.associate()
    for number, image in enumerate(series, start=1):
        assert association.send_c_store(image).Status == 0x0000
        assert len(spool.waiting()) == number
    association.release()
    kept = [dcmread(path) for path in spool.waiting()]
    assert [one.SOPInstanceUID for one in kept] == [one.SOPInstanceUID for one in series]


def test_the_bytes_are_kept_exactly_as_they_came(scanner: Scanner) -> None:
    payload = encoded(mr_series(slices=1)[0])
    assert scanner.send_bytes(payload) == 0x0000
    assert spool.waiting()[0].read_bytes().endswith(payload)


def test_the_called_and_calling_titles_travel_with_the_file(scanner: Scanner) -> None:
    scanner.send(mr_series(slices=1), called_ae="LIVER")
    meta = dcmread(spool.waiting()[0]).file_meta
    assert (meta.ReceivingApplicationEntityTitle, meta.SendingApplicationEntityTitle) == ("LIVER", "SCANNER")


def test_bytes_that_are_no_dataset_are_refused_and_kept_for_the_quarantine(scanner: Scanner) -> None:
    assert scanner.send_bytes(b"this is not DICOM") == 0xC000
    assert len(spool.waiting()) == 1


def test_a_uid_with_a_path_in_it_is_refused_and_names_no_file(store: Path) -> None:
    refused: list[Rejection] = []
    with receiving("BRAIN", refused=refused.append) as scanner:
        assert scanner.send_bytes(encoded(mr_series(slices=1)[0]), sop="../../../../tmp/escaped") == 0xC000
    assert list(store.rglob("*.dcm")) == []
    assert ["SOP Instance UID" in one.explanation for one in refused] == [True]


def test_an_unknown_called_title_is_refused_for_good_and_reported() -> None:
    refused: list[Rejection] = []
    with receiving("BRAIN", refused=refused.append) as scanner:
        association = scanner.associate("HEART")
        assert association.is_rejected
        answer = association.acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 7)
        assert scanner.associate("BRAIN").is_established
    assert [(one.called_ae, one.calling_ae, one.address) for one in refused] == [("HEART", "SCANNER", HOST)]


def test_a_full_disk_refuses_the_instance_and_keeps_the_association(
    scanner: Scanner, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file in the way of the spool's folder stands for the disk: nothing can be written there."""
    store.mkdir()
    (store / "spool").write_bytes(b"in the way")
    first, second = mr_series(slices=2)
    association = scanner.associate()
    with caplog.at_level(logging.CRITICAL):
        assert association.send_c_store(first).Status == 0xA700
    (store / "spool").unlink()
    assert association.send_c_store(second).Status == 0x0000
    association.release()
    assert len(spool.waiting()) == 1
    assert "OVERREAD_STORE" in caplog.text
    assert str(first.PatientName) not in caplog.text


def test_compressed_and_implicit_syntaxes_are_negotiated_as_proposed(scanner: Scanner) -> None:
    for syntax in (JPEGBaseline8Bit, IMPLICIT):
        proposing = Scanner(port=scanner.port, syntax=syntax)
        association = proposing.associate(classes=[SecondaryCaptureImageStorage])
        accepted = {one.abstract_syntax: one.transfer_syntax for one in association.accepted_contexts}
        assert accepted[SecondaryCaptureImageStorage] == [syntax]
        association.release()


def test_what_is_no_storage_is_not_negotiated(scanner: Scanner) -> None:
    association = scanner.associate(classes=[MRImageStorage, PatientRootQueryRetrieveInformationModelFind])
    refused = [one.abstract_syntax for one in association.rejected_contexts]
    assert refused == [PatientRootQueryRetrieveInformationModelFind]
    association.release()


def test_dcmtk_reaches_the_receiver_with_an_echo(scanner: Scanner) -> None:
    assert dcmtk("echoscu", "-aec", "BRAIN", HOST, str(scanner.port)).returncode == 0
    refused = dcmtk("echoscu", "-aec", "HEART", HOST, str(scanner.port))
    assert refused.returncode != 0
    assert "Called AE Title Not Recognized" in refused.stdout + refused.stderr


def test_dcmtk_sends_a_series(scanner: Scanner, tmp_path: Path) -> None:
    files = [as_file(image, tmp_path / f"{image.InstanceNumber}.dcm") for image in mr_series(slices=3)]
    sent = dcmtk("storescu", "-aet", "DCMTK", "-aec", "BRAIN", HOST, str(scanner.port), *files)
    assert sent.returncode == 0, sent.stderr
    assert {dcmread(path).file_meta.SendingApplicationEntityTitle for path in spool.waiting()} == {"DCMTK"}
    assert len(spool.waiting()) == 3


@pytest.mark.django_db(transaction=True)
def test_the_titles_of_the_database_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_ingest.admission._REFRESH_SECONDS", 0.05)
    AETitle.objects.create(title="BRAIN")
    AETitle.objects.create(title="RETIRED", active=False)
    titles = CalledTitles()
    titles.start()
    try:
        assert "BRAIN" in titles
        assert "RETIRED" not in titles
        AETitle.objects.update(active=True)
        assert until(lambda: "RETIRED" in titles)
    finally:
        titles.stop()


@pytest.mark.django_db(transaction=True)
def test_refusals_are_counted_by_kind_and_peer() -> None:
    AETitle.objects.create(title="BRAIN")
    with listening() as scanner:
        assert scanner.associate("HEART").is_rejected
        assert scanner.associate("HEART").is_rejected
        assert scanner.associate("LUNG").is_rejected
        assert scanner.send(mr_series(slices=1)) == [0x0000]
    counted = dict(RejectedAssociation.objects.values_list("called_ae", "count"))
    assert counted == {"HEART": 2, "LUNG": 1}


@pytest.mark.django_db(transaction=True)
def test_the_receiver_outlives_the_database(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("dicom_ingest.admission._REFRESH_SECONDS", 0.05)
    AETitle.objects.create(title="BRAIN")
    with listening() as scanner, caplog.at_level(logging.WARNING):
        with database_away():
            assert until(lambda: "those last known stay in force" in caplog.text)
            assert scanner.send(mr_series(slices=1)) == [0x0000]
            assert scanner.associate("HEART").is_rejected
            assert until(lambda: "waits for the database" in caplog.text)
        assert until(RejectedAssociation.objects.filter(called_ae="HEART").exists)
        assert scanner.associate("BRAIN").is_established
    assert caplog.text.count("those last known stay in force") == 1


def test_a_flood_of_refusals_is_dropped_rather_than_held(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()  # not started: nothing is taken off its queue
    rejection = Rejection(called_ae="HEART", calling_ae="X", address=HOST, explanation="Why.")
    with caplog.at_level(logging.WARNING):
        for _ in range(1001):
            recorder.put(rejection)
    assert caplog.text.count("Refused 127.0.0.1") == 1


def test_stopping_lets_an_open_association_end_its_work(store: Path) -> None:
    with receiving("BRAIN") as scanner:
        association = scanner.associate()
        assert association.send_c_store(mr_series(slices=1)[0]).Status == 0x0000
    assert until(lambda: bool(association.is_aborted))
    assert len(spool.waiting()) == 1
