"""DICOM TLS, with DCMTK as the scanner and a certification authority of the test's own."""

import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from dicom_ingest import spool
from dicom_ingest.models import AETitle, Instance
from tests.dicom_ingest.receive_process import receive_process, start
from tests.dicom_ingest.scanner import HOST, Scanner, as_file, mr_series
from tests.dicom_ingest.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with an authority's certificate, and keys and certificates of it for the receiver and the scanner."""
    folder = tmp_path / "keys"
    folder.mkdir()
    authority, authority_key = folder / "ca.pem", folder / "ca.key"
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(*new, "-x509", "-subj", "/CN=Test authority", "-keyout", authority_key, "-out", authority)
    for name in ("receiver", "scanner"):
        key, request, certificate = (folder / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
        openssl(*new[:-2], "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signing = ("-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", request, *signing, "-out", certificate)
    return folder


def environment(keys: Path, **more: str) -> dict[str, str]:
    return {
        "OVERREAD_DIMSE_TLS_CERTIFICATE": str(keys / "receiver.pem"),
        "OVERREAD_DIMSE_TLS_KEY": str(keys / "receiver.key"),
    } | more


def storescu(port: int | None, file: Path, *arguments: str | Path) -> int:
    command = ["storescu", *map(str, arguments), "-aec", "BRAIN", HOST, str(port), str(file)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode


def test_dcmtk_sends_over_tls_beside_the_plain_port(keys: Path, tmp_path: Path) -> None:
    AETitle.objects.create(title="BRAIN")
    first, second = mr_series(slices=2)
    with receive_process(environment=environment(keys)) as running:
        file = as_file(first, tmp_path / "one.dcm")
        assert storescu(running.tls_port, file, "--anonymous-tls", "+cf", keys / "ca.pem") == 0
        assert Scanner(port=running.port).send([second]) == [0x0000]
        assert storescu(running.tls_port, file) != 0  # plain, to the port of TLS
        assert until(lambda: Instance.objects.count() == 2, seconds=20)


def test_who_is_silent_at_the_handshake_holds_up_nobody(keys: Path, tmp_path: Path) -> None:
    AETitle.objects.create(title="BRAIN")
    file = as_file(mr_series(slices=1)[0], tmp_path / "one.dcm")
    with receive_process("--only", "listener", environment=environment(keys)) as running, ExitStack() as silent:
        for _ in range(4):
            silent.enter_context(socket.create_connection((HOST, running.tls_port or 0)))
        began = time.monotonic()
        assert storescu(running.tls_port, file, "--anonymous-tls", "+cf", keys / "ca.pem") == 0
        assert time.monotonic() - began < 15  # the silent ones are hung up on after 5 seconds each


def test_with_an_authority_named_only_its_certificates_may_call(keys: Path, tmp_path: Path) -> None:
    AETitle.objects.create(title="BRAIN")
    file = as_file(mr_series(slices=1)[0], tmp_path / "one.dcm")
    with receive_process(
        "--only", "listener", environment=environment(keys, OVERREAD_DIMSE_TLS_CLIENT_CA=str(keys / "ca.pem"))
    ) as it:
        assert storescu(it.tls_port, file, "--anonymous-tls", "+cf", keys / "ca.pem") != 0
        assert spool.waiting() == []
        own = ("+tls", keys / "scanner.key", keys / "scanner.pem", "+cf", keys / "ca.pem")
        assert storescu(it.tls_port, file, *own) == 0
    assert len(spool.waiting()) == 1


def test_a_certificate_that_cannot_be_used_is_one_line_that_says_what_to_do(keys: Path) -> None:
    arguments = {"OVERREAD_DIMSE_TLS_CERTIFICATE": str(keys / "nowhere.pem")}
    process = start("--port", "0", "--tls-port", "0", stderr=subprocess.PIPE, environment=arguments)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Correct OVERREAD_DIMSE_TLS_CERTIFICATE" in told
