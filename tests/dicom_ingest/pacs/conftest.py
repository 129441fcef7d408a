"""A receiver of ours, and a PACS with three exams of two patients."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.dicom_ingest.pacs.peers import Peer, dcmqrscp, orthanc
from tests.dicom_ingest.scanner import Scanner, receiving
from tests.dicom_ingest.scans import mr_slice

ROOT = "1.2.826.0.1.3680043.8.498.99"
NOW, PRIOR, OTHER = f"{ROOT}.1", f"{ROOT}.2", f"{ROOT}.3"
BIRCH = {"PatientID": "PACS-0001", "PatientName": "Birch^Ada"}


def exams() -> list[Dataset]:
    """A brain MR of Birch with two slices, an older one with one, and a CT of somebody else."""

    def exam(uid: str, slices: int, **attributes: object) -> list[Dataset]:
        return [mr_slice(n, study=uid, series=f"{uid}.7", **attributes) for n in range(1, slices + 1)]

    return [
        *exam(NOW, 2, **BIRCH, StudyDate="20240501", AccessionNumber="NOW1"),
        *exam(PRIOR, 1, **BIRCH, StudyDate="20230115", AccessionNumber="PRIOR1"),
        *exam(OTHER, 1, PatientID="PACS-0002", PatientName="Birk^Önder", StudyDate="20240502", Modality="CT"),
    ]


@pytest.fixture
def receiver(store: Path) -> Iterator[Scanner]:
    with receiving("BRAIN", "PRIORS", "OVERREAD") as ours:
        yield ours


@pytest.fixture
def pacs(receiver: Scanner) -> Iterator[Peer]:
    """DCMTK's PACS with the exams; it knows BRAIN, but not LIVER."""
    with dcmqrscp(receiver.port, knows=("BRAIN", "PRIORS")) as peer:
        peer.take(exams())
        yield peer


@pytest.fixture
def archive(receiver: Scanner) -> Iterator[Peer]:
    """Orthanc with the exams."""
    with orthanc(receiver.port, knows=("BRAIN", "PRIORS", "OVERREAD")) as peer:
        peer.take(exams())
        yield peer
