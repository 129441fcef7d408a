"""The peer of the DICOMweb benchmark: Debian's Orthanc with its DICOMweb plugin, as its packages configure it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.dicomweb_ours import running, wait_for
from tests.ports import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class NoPeer(RuntimeError):
    """Orthanc or its plugin is not installed; says what to do."""


@contextmanager
def orthanc(home: Path) -> Iterator[str]:
    """Run Orthanc with an empty store under `home`, and give its URL. Raises NoPeer."""
    program = shutil.which("Orthanc")
    if program is None or not PLUGIN.exists():
        raise NoPeer("Install the peer first: apt-get install orthanc orthanc-dicomweb")
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = {
        **{"Name": "Peer", "StorageDirectory": str(home / "storage"), "IndexDirectory": str(home / "index")},
        **{"HttpPort": port, "DicomServerEnabled": False, "RemoteAccessAllowed": True, "AuthenticationEnabled": False},
        **{"KeepAlive": True, "TcpNoDelay": True, "Plugins": [str(PLUGIN)]},
        **{"DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False}},
    }
    (home / "orthanc.json").write_text(json.dumps(configuration))
    with running([program, str(home / "orthanc.json")], log=home / "orthanc.log", cwd=home):
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/system")
        yield url


def upload(url: str, files: Iterable[bytes]) -> None:
    """Store the files. Raises HTTPError."""
    with requests.Session() as session:
        for file in files:
            session.post(f"{url}/instances", data=file, timeout=60).raise_for_status()
