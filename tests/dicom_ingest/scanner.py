"""A scanner for tests: makes small MR series and sends them over a real association."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from dicom_ingest.admission import Called
from dicom_ingest.association import keep_rejection
from dicom_ingest.receiver import Receiver
from dicom_ingest.receiver import receiving as receiver_of_the_database
from dicom_ingest.rejections import Rejection

HOST = "127.0.0.1"


def mr_slice(*, study: str, series: str, number: int, rows: int = 16, columns: int = 16) -> Dataset:
    """One axial slice; its pixels tell its number."""
    image = Dataset()
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = f"{series}.{number}"
    image.StudyInstanceUID = study
    image.SeriesInstanceUID = series
    image.Modality = "MR"
    image.PatientName = "Demo^Birch"
    image.PatientID = "DEMO-0002"
    image.PatientBirthDate = "19600229"
    image.PatientSex = "F"
    image.AccessionNumber = "ACC0002"
    image.StudyID = "1"
    image.StudyDate = "20240131"
    image.StudyTime = "101500"
    image.StudyDescription = "MR brain"
    image.SeriesNumber = 3
    image.SeriesDescription = "T1 MPRAGE"
    image.InstanceNumber = number
    image.ImagePositionPatient = [0, 0, float(number)]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = [1, 1]
    image.SliceThickness = 1
    image.Rows, image.Columns = rows, columns
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = np.full((rows, columns), number, dtype="<u2").tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image


def mr_series(*, slices: int = 5, study: str | None = None, series: str | None = None) -> list[Dataset]:
    """An axial series of `slices` slices, 1 mm apart."""
    study, series = study or generate_uid(), series or generate_uid(prefix="1.2.826.0.1.3680043.8.498.")[:56]
    return [mr_slice(study=study, series=series, number=number) for number in range(1, slices + 1)]


def encoded(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The dataset's bytes as they go over the network, without file meta information."""
    buffer = BytesIO()
    plain = Dataset(dataset)
    plain.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return buffer.getvalue()


def as_file(dataset: Dataset, path: Path) -> Path:
    """The dataset as a DICOM file."""
    dataset.save_as(path, enforce_file_format=True)
    return path


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """Sends to one receiver. `syntax` is the transfer syntax it speaks; it waits `patience` seconds for an answer."""

    port: int
    calling_ae: str = "SCANNER"
    syntax: UID = ExplicitVRLittleEndian
    patience: float = 10

    def associate(self, called_ae: str = "BRAIN", *, classes: Iterable[str] = (MRImageStorage,)) -> Association:
        """An association, established or refused."""
        entity = AE(ae_title=self.calling_ae)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self.patience
        contexts = [build_context(one, self.syntax) for one in classes] + [build_context(Verification)]
        handlers = [(evt.EVT_PDU_RECV, keep_rejection)]
        return entity.associate(HOST, self.port, ae_title=called_ae, contexts=contexts, evt_handlers=handlers)

    def echoes(self, called_ae: str = "BRAIN") -> bool:
        """Whether the receiver takes an association and answers a C-ECHO."""
        association = self.associate(called_ae)
        if not association.is_established:
            return False
        answer = association.send_c_echo()
        association.release()
        return "Status" in answer and answer.Status == 0x0000

    def send(self, datasets: Iterable[Dataset], called_ae: str = "BRAIN") -> list[int]:
        """Send on one association; the status of each."""
        sent = list(datasets)
        association = self.associate(called_ae, classes=dict.fromkeys(one.SOPClassUID for one in sent))
        assert association.is_established, f"{called_ae} refused {self.calling_ae}."
        statuses = [association.send_c_store(dataset).Status for dataset in sent]
        association.release()
        return statuses

    def send_bytes(
        self, payload: bytes, *, called_ae: str = "BRAIN", sop_class: UID = MRImageStorage, sop: str = "1.2.3"
    ) -> int:
        """Send bytes as the dataset of a C-STORE, whatever they are; its status."""
        association = self.associate(called_ae, classes=[sop_class])
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, sop
        request.DataSet = BytesIO(payload) if payload else None
        context = next(one for one in association.accepted_contexts if one.abstract_syntax == sop_class)
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, context.context_id)
        _, response = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        association.release()
        assert response is not None, "The receiver gave no answer."
        return int(response.Status)


@contextmanager
def receiving(
    *called: str | Called, refused: Callable[[Rejection], None] = lambda _rejection: None
) -> Iterator[Scanner]:
    """A receiver in this process that answers to `called`, and a scanner pointed at it; no database takes part."""
    titles = {one.title: one for one in (Called(title=one) if isinstance(one, str) else one for one in called)}
    receiver = Receiver(called=titles.get, refused=refused)
    with socket.create_server((HOST, 0)) as listening:
        receiver.start(listening)
        try:
            yield Scanner(port=listening.getsockname()[1])
        finally:
            receiver.stop(grace_seconds=1)


@contextmanager
def listening() -> Iterator[Scanner]:
    """A receiver in this process whose tables are those of the database, and a scanner pointed at it."""
    with socket.create_server((HOST, 0)) as open_socket, receiver_of_the_database((open_socket, None)):
        yield Scanner(port=open_socket.getsockname()[1])
