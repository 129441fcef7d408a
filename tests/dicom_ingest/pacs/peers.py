"""Real remotes on this machine, each started by the test that asks for it and stopped with it."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from dicom_ingest.pacs.models import Remote
from tests.dicom_ingest.scanner import Scanner
from tests.ports import free_port

HOST = "127.0.0.1"
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
STARTS_WITHIN = 20.0

needs_orthanc = pytest.mark.skipif(
    shutil.which("Orthanc") is None or not DICOMWEB_PLUGIN.exists(),
    reason="Orthanc with its DICOMweb plugin is not installed: apt-get install orthanc orthanc-dicomweb",
)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A running remote. `folder` is where it keeps what it has."""

    title: str
    port: int
    folder: Path
    web_port: int = 0
    speaks_tls: bool = False

    def take(self, datasets: Iterable[Dataset]) -> None:
        """Give it images over DIMSE."""
        sent = list(datasets)
        for syntax in {one.file_meta.TransferSyntaxUID for one in sent}:
            scanner = Scanner(port=self.port, calling_ae="SCANNER", syntax=syntax)
            statuses = scanner.send((one for one in sent if one.file_meta.TransferSyntaxUID == syntax), self.title)
            assert set(statuses) <= {0}, statuses

    def row(self, **values: object) -> Remote:
        """The remote's row in the portal, with DIMSE."""
        defaults: dict[str, object] = {"name": self.title, "ae_title": self.title, "host": HOST, "port": self.port}
        remote = Remote(**defaults | values)
        remote.full_clean()
        remote.save()
        return remote

    def web_row(self, **values: object) -> Remote:
        """The remote's row in the portal, with DICOMweb."""
        remote = Remote(
            name=f"{self.title} web",
            kind=Remote.Kind.DICOMWEB,
            base_url=f"http://{HOST}:{self.web_port}/dicom-web",
            **values,
        )
        remote.full_clean()
        remote.save()
        return remote


@contextmanager
def dcmqrscp(receiver_port: int, *, knows: Sequence[str] = ("BRAIN",)) -> Iterator[Peer]:
    """DCMTK's small PACS. It sends to the AE titles that it `knows`, all at `receiver_port`."""
    with TemporaryDirectory(prefix="dcmqrscp-") as name:
        folder, port = Path(name), free_port()
        (folder / "db").mkdir()
        hosts = "\n".join(f"host{n} = ({title}, {HOST}, {receiver_port})" for n, title in enumerate(knows))
        (folder / "config").write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\n{hosts}\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nPACS {folder / 'db'} RW (200, 1024mb) ANY\nAETable END\n"
        )
        with _running("dcmqrscp", "-c", str(folder / "config"), str(port)):
            yield _answering(Peer(title="PACS", port=port, folder=folder / "db"))


@contextmanager
def storescp(*options: str) -> Iterator[Peer]:
    """DCMTK's receiver, which keeps what it takes as files."""
    with TemporaryDirectory(prefix="storescp-") as name:
        port = free_port()
        with _running("storescp", *options, "-od", name, "-aet", "ARCHIVE", str(port)):
            yield _answering(Peer(title="ARCHIVE", port=port, folder=Path(name), speaks_tls="+tls" in options))


def certificate(folder: Path) -> tuple[str, str]:
    """A key and a certificate of this machine's address that is its own authority."""
    key, issued = str(folder / "key.pem"), str(folder / "certificate.pem")
    names = ["-subj", "/CN=archive", "-addext", f"subjectAltName=IP:{HOST}"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", issued]
    subprocess.run([*made, *names], check=True, capture_output=True)
    return key, issued


@contextmanager
def orthanc(receiver_port: int, *, password: str = "", knows: Sequence[str] = ("BRAIN",)) -> Iterator[Peer]:
    """Orthanc with DICOMweb; with a `password` for the user `overread` where one is given."""
    with TemporaryDirectory(prefix="orthanc-") as name:
        folder, port, web_port = Path(name), free_port(), free_port()
        configuration = {
            "Name": "ORTHANC",
            "DicomAet": "ORTHANC",
            "DicomPort": port,
            "HttpPort": web_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(password),
            "RegisteredUsers": {"overread": password},
            "StorageDirectory": str(folder / "db"),
            "Plugins": [str(DICOMWEB_PLUGIN)],
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {title: [title, HOST, receiver_port] for title in knows},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))
        with _running("Orthanc", str(folder / "orthanc.json")):
            yield _answering(Peer(title="ORTHANC", port=port, folder=folder / "db", web_port=web_port))


@contextmanager
def _running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answering(peer: Peer) -> Peer:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if _answers(peer):
            return peer
        time.sleep(0.05)
    raise TimeoutError(f"{peer.title} did not start within {STARTS_WITHIN:.0f} s.")


def _answers(peer: Peer) -> bool:
    for port in filter(None, (peer.port, peer.web_port)):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)):
                return False
    if peer.speaks_tls:
        return True
    association = AE(ae_title="PROBE").associate(HOST, peer.port, [build_context(Verification)], ae_title=peer.title)
    if association.is_established:
        association.release()
    return bool(association.is_established or association.is_released or association.is_rejected)
