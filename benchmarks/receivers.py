"""Overread and its peers as receivers, each started on free ports with its data in a folder that it is given."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from portal.demo import engines
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
AE_TITLE = "BENCH"
_READY_SECONDS = 90
_PLUGINS = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One that runs. `visible` tells how many instances of a study a QIDO query finds; None where there is no QIDO."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    visible: Callable[[str], int] | None = None

    def memory_mb(self) -> tuple[float, float]:
        """Resident and proportional set size of the process and its descendants."""
        sizes = [_sizes(pid) for pid in _family(self.process.pid)]
        return sum(resident for resident, _ in sizes) / 1024, sum(share for _, share in sizes) / 1024


@contextmanager
def storescp(home: Path) -> Iterator[Receiver]:
    """DCMTK's, which writes files and does not sync them."""
    home.mkdir(parents=True)
    port = free_port()
    command = ["storescp", "--output-directory", home, "--log-level", "fatal", str(port)]
    with _running(command) as process:
        _wait_for(port)
        yield Receiver(name="DCMTK storescp", port=port, process=process)


@contextmanager
def orthanc(home: Path) -> Iterator[Receiver]:
    """Orthanc with its DICOMweb plugin, SQLite, and its storage area synced (the default)."""
    home.mkdir(parents=True)
    port, http = free_port(), free_port()
    settings = {
        "DicomAet": AE_TITLE,
        "DicomPort": port,
        "HttpPort": http,
        "StorageDirectory": str(home / "storage"),
        "IndexDirectory": str(home / "index"),
        "SyncStorageArea": True,
        "AuthenticationEnabled": False,
        "Plugins": [str(_PLUGINS / "libOrthancDicomWeb.so")],
    }
    (home / "orthanc.json").write_text(json.dumps(settings))
    with _running(["/usr/sbin/Orthanc", str(home / "orthanc.json")]) as process, requests.Session() as session:
        _wait_for(port)
        _wait_for(http)
        visible = _counter(session, f"http://{HOST}:{http}/dicom-web")
        yield Receiver(name="Orthanc", port=port, process=process, visible=visible)


@contextmanager
def overread(home: Path) -> Iterator[Receiver]:
    """Overread as `manage.py receive` and `manage.py serve` run it, on the embedded PostgreSQL."""
    with ExitStack() as stack:
        started = stack.enter_context(engines.running(home / "engines"))
        web, port = free_port(), free_port()
        environment = started.environment | {
            "OVERREAD_HOME": str(home),
            "OVERREAD_SECRET_KEY": "of the benchmark",
            "OVERREAD_LOG_LEVEL": "WARNING",
        }
        token = _prepared(environment)
        stack.enter_context(_running(_manage("serve", "--port", web, "--workers", 1), environment))
        process = stack.enter_context(_running(_manage("receive", "--port", port), environment))
        session = stack.enter_context(requests.Session())
        session.headers["Authorization"] = f"Token {token}"
        _wait_for(port)
        _wait_for(web)
        visible = _counter(session, f"http://{HOST}:{web}/dicomweb")
        yield Receiver(name="Overread", port=port, process=process, visible=visible)


def _prepared(environment: dict[str, str]) -> str:
    """Migrate, add the AE title and a user, and return the user's token."""
    _manage_now(environment, "migrate", "--verbosity", "0")
    script = (
        "from dicom_ingest.models import AETitle; from portal.models import User; "
        "from rest_framework.authtoken.models import Token; "
        f"AETitle.objects.create(title={AE_TITLE!r}, quiet_period_seconds=3600); "
        "print(Token.objects.create(user=User.objects.create_superuser('bench')).key)"
    )
    return _manage_now(environment, "shell", "--verbosity", "0", "-c", script).split()[-1]


def _manage(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *map(str, arguments)]


def _manage_now(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        _manage(*arguments), env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _counter(session: requests.Session, root: str) -> Callable[[str], int]:
    def visible(study: str) -> int:
        query = {"StudyInstanceUID": study, "includefield": "00201208"}
        answer = session.get(f"{root}/studies", params=query, headers={"Accept": "application/dicom+json"}, timeout=30)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json() if answer.content else []
        return int(found[0]["00201208"]["Value"][0]) if found else 0

    return visible


@contextmanager
def _running(command: list[Any], environment: dict[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    everything = os.environ | {"TCP_NODELAY": "1"} | (environment or {})
    process = subprocess.Popen(command, env=everything, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _sizes(pid: int) -> tuple[int, int]:
    """RSS and PSS in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes["Rss"], sizes["Pss"]
