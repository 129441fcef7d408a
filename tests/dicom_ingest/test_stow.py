"""STOW-RS: what is reported as stored is kept and filed; what is not is reported with its reason."""

import json
import os
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from django.conf import settings as portal_settings
from django.db import OperationalError, connection
from django.test import Client
from pydicom import dcmread
from pydicom.dataset import Dataset
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from dicom_ingest import spool
from dicom_ingest import store as stored
from dicom_ingest.completion import complete_now
from dicom_ingest.dicomweb import stow
from dicom_ingest.models import STOW_AE_TITLE, Exam, Instance, QuarantinedInstance, Route
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import FLAIR, ROOT, STUDY, T1, encoded, mr_slice

CONTENT_TYPE = 'multipart/related; type="application/dicom"; boundary="gu-id"'


@pytest.fixture
def sender(cast: Cast, with_token: Callable[[User], Client]) -> Client:
    return with_token(cast.coordinator)


def message(*contents: bytes, content_type: str = "application/dicom") -> bytes:
    """As OHIF sends it: a line before the first boundary, none after the last."""
    head = f"\r\n--gu-id\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return b"".join(head + content for content in contents) + b"\r\n--gu-id--"


def post(client: Client, *files: Dataset | bytes, path: str = "/dicomweb/studies") -> Any:
    contents = [file if isinstance(file, bytes) else encoded(file) for file in files]
    return client.post(path, message(*contents), content_type=CONTENT_TYPE, headers={"Accept": "*/*"})


def sent(dataset: Dataset) -> Dataset:
    """The instance as read from its file, which is how a client comes by it."""
    return dcmread(BytesIO(encoded(dataset)))


class Growing:
    """A body of a beginning, MiB of zeros, and the end of the message, of which never more than a block exists."""

    def __init__(self, beginning: bytes, mib: int) -> None:
        self._beginning, self._zeros, self._end = BytesIO(beginning), mib << 20, BytesIO(b"\r\n--gu-id--")
        self.size = len(beginning) + self._zeros + len(self._end.getvalue())

    def read(self, size: int = -1) -> bytes:
        if found := self._beginning.read(size):
            return found
        zeros = min(size, self._zeros)
        self._zeros -= zeros
        return bytes(zeros) or self._end.read(size)

    def readline(self, size: int = -1) -> bytes:
        raise NotImplementedError  # Django wants it to be there


def reasons(response: Any, sequence: str = "00081198") -> list[int]:
    return [item["00081197"]["Value"][0] for item in response.json().get(sequence, {"Value": []})["Value"]]


def test_one_instance_as_the_viewer_sends_it_is_kept_filed_and_reported(sender: Client) -> None:
    response = post(sender, mr_slice(1))
    assert (response.status_code, response["Content-Type"]) == (200, "application/dicom+json")
    report = response.json()
    assert report["00081190"]["Value"] == [f"http://testserver/dicomweb/studies/{STUDY}"]
    (item,) = report["00081199"]["Value"]
    assert item["00081150"]["Value"] == ["1.2.840.10008.5.1.4.1.1.4"]
    assert item["00081155"]["Value"] == [f"{T1}.1"]
    assert item["00081190"]["Value"] == [f"http://testserver/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1"]
    assert "00081198" not in report
    assert stored.instance_path(STUDY, T1, f"{T1}.1").is_file()
    assert Route.objects.get().called_ae == STOW_AE_TITLE


def test_the_same_instance_again_is_a_success_and_no_second_instance(sender: Client) -> None:
    assert [post(sender, mr_slice(1)).status_code for _ in range(2)] == [200, 200]
    assert Instance.objects.get().repeats == 1


def test_other_content_under_the_same_uid_is_refused_and_the_first_kept(sender: Client) -> None:
    post(sender, mr_slice(1))
    response = post(sender, mr_slice(1, PatientID="SOMEBODY-ELSE"))
    assert response.status_code == 409
    assert reasons(response) == [0x0111]
    assert "already filed with other content" in response["Warning"]
    assert Exam.objects.get().patient_id == "DEMO-0001"


def test_a_file_whose_meta_information_lacks_its_length_is_refused_unkept(sender: Client) -> None:
    file = encoded(mr_slice(1))
    response = post(sender, file[:132] + file[144:])
    assert (response.status_code, reasons(response, "0008119A")) == (409, [0xC000])
    assert "No length of the file meta information" in response["Warning"]
    assert list(stored.spool_folder().glob("*")) == []


def test_some_failures_among_several_are_told_apart(sender: Client) -> None:
    response = post(sender, mr_slice(1), b"not DICOM at all", mr_slice(2))
    assert response.status_code == 202
    assert len(response.json()["00081199"]["Value"]) == 2
    assert reasons(response, "0008119A") == [0xC000]
    assert "does not read as a DICOM file" in response["Warning"]


@pytest.mark.parametrize(
    ("spoil", "reason", "quarantined"),
    [
        (lambda: encoded(mr_slice(1))[:-40], 0xC000, "truncated"),
        (lambda: encoded(_without(mr_slice(1), "PixelData")), 0xA900, "no-pixels"),
        (lambda: encoded(_without(mr_slice(1), "SeriesInstanceUID")), 0x0120, "missing-attribute"),
        (lambda: encoded(mr_slice(1, StudyInstanceUID="1.2.../3")), 0x0117, "bad-uid"),
    ],
)
def test_an_instance_that_cannot_be_filed_is_refused_and_kept_in_quarantine(
    sender: Client, spoil: Callable[[], bytes], reason: int, quarantined: str
) -> None:
    response = post(sender, spoil())
    assert (response.status_code, reasons(response)) == (409, [reason])
    assert QuarantinedInstance.objects.get().reason == quarantined
    assert not Instance.objects.exists()


def test_an_instance_of_another_study_than_the_urls_is_refused_unkept(sender: Client) -> None:
    response = post(sender, mr_slice(1), path=f"/dicomweb/studies/{ROOT}.9")
    assert (response.status_code, reasons(response)) == (409, [0xA900])
    assert "another study" in response["Warning"]
    assert not Exam.objects.exists()
    assert post(sender, mr_slice(1), path=f"/dicomweb/studies/{STUDY}").status_code == 200
    assert post(sender, mr_slice(1), path="/dicomweb/studies/../../etc").status_code == 404
    assert post(sender, mr_slice(1), path="/dicomweb/studies/1.02").status_code == 400


def test_nothing_is_added_to_the_exam_of_a_study_in_which_one_may_not_send(
    scanned: Exam, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    from portal.access import Role
    from studies.models import Membership, Study

    Membership.objects.create(study=Study.objects.get(slug="liver"), user=cast.reader, role=Role.COORDINATOR)
    for user, status in {cast.reader: 409, cast.coordinator: 200}.items():
        response = post(with_token(user), mr_slice(9, series=FLAIR))
        assert response.status_code == status
    assert reasons(post(with_token(cast.reader), mr_slice(10))) == [0x0124]
    assert not Instance.objects.filter(sop_instance_uid=f"{T1}.10").exists()


def test_a_full_disk_is_reported_and_nothing_left_behind(sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    stored.durable_folder(stored.spool_folder())
    monkeypatch.setattr(os, "fsync", full)
    response = post(sender, mr_slice(1))
    assert (response.status_code, reasons(response)) == (409, [0xA700])
    assert "No space left on device" in response["Warning"]
    assert not Instance.objects.exists()
    assert list(stored.spool_folder().glob("*")) == []


def test_nothing_is_taken_while_the_disk_is_nearly_full(sender: Client, settings: Settings, store: Path) -> None:
    store.mkdir()
    settings.OVERREAD_MIN_FREE_BYTES = 1 << 60
    response = post(sender, mr_slice(1))
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    assert "Nothing is received until then" in response.json()["detail"]
    settings.OVERREAD_MIN_FREE_BYTES = 0
    assert post(sender, mr_slice(1)).status_code == 200


def test_a_large_instance_is_stored_without_being_held_in_memory(sender: Client) -> None:
    mib = 1 << 20
    head = encoded(mr_slice(1, PixelData=b"", Rows=8192, Columns=8192))
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, 128 * mib)
    body = Growing(
        message(head[: head.index(struct.pack("<HH", 0x7FE0, 0x10))] + pixels)[: -len(b"\r\n--gu-id--")], 128
    )
    tracemalloc.start()
    try:
        sent_as: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": body.size, "CONTENT_TYPE": CONTENT_TYPE}
        response = sender.generic("POST", "/dicomweb/studies", **sent_as)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.status_code == 200
    assert Instance.objects.get().size > 128 * mib
    assert peak < 16 * mib


def test_a_database_lost_after_keeping_is_reported_and_the_instance_kept(
    sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr("dicom_ingest.filing.existing", lost)
    response = post(sender, mr_slice(1))
    assert (response.status_code, reasons(response)) == (409, [0x0110])
    assert "kept but not filed yet" in response["Warning"]
    assert len(spool.waiting()) == 1


@pytest.mark.parametrize(
    ("content_type", "status", "complaint"),
    [
        ("application/dicom", 415, "multipart/related"),
        ('multipart/related; type="application/dicom+json"; boundary=b', 415, "multipart/related"),
        ("multipart/form-data; boundary=b", 415, "multipart/related"),
        ("", 415, "multipart/related"),
        ('multipart/related; type="application/dicom"', 400, "boundary"),
        ('multipart/related; type="application/dicom"; boundary=other', 400, "Nothing was stored"),
    ],
)
def test_a_body_of_another_kind_is_refused_in_words(
    sender: Client, content_type: str, status: int, complaint: str
) -> None:
    response = sender.generic("POST", "/dicomweb/studies", message(encoded(mr_slice(1))), content_type=content_type)
    assert response.status_code == status
    assert complaint in json.loads(response.content)["detail"]


def test_a_message_without_parts_is_refused(sender: Client) -> None:
    response = sender.post("/dicomweb/studies", b"--gu-id--", content_type=CONTENT_TYPE)
    assert (response.status_code, response.json()["detail"]) == (400, "The message has no parts. Nothing was stored.")


def test_a_part_of_another_kind_is_refused(sender: Client) -> None:
    body = message(encoded(mr_slice(1)), content_type="application/dicom+json")
    response = sender.post("/dicomweb/studies", body, content_type=CONTENT_TYPE)
    assert (response.status_code, reasons(response, "0008119A")) == (409, [0xC000])


def test_a_message_cut_off_reports_what_was_stored_before(sender: Client) -> None:
    body = message(encoded(mr_slice(1)), encoded(mr_slice(2)))[:-200]
    response = sender.post("/dicomweb/studies", body, content_type=CONTENT_TYPE)
    assert response.status_code == 202
    assert len(response.json()["00081199"]["Value"]) == 1
    assert "Send again what is not reported as stored" in response["Warning"]


def test_an_instance_too_large_to_hold_is_refused(sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "LARGEST_INSTANCE", 5000)
    response = post(sender, mr_slice(1), mr_slice(1, PixelData=bytes(200_000), Rows=1000, Columns=100))
    assert response.status_code == 202
    assert reasons(response, "0008119A") == [0xA700]


def test_chunks_are_refused_where_the_server_cannot_tell_their_end(sender: Client) -> None:
    response = sender.post(
        "/dicomweb/studies", b"", content_type=CONTENT_TYPE, headers={"Transfer-Encoding": "chunked"}
    )
    assert response.status_code == 411
    assert "Content-Length" in response.json()["detail"]


def test_a_public_client_stores_and_finds_again(connect: Callable[[User], DICOMwebClient], cast: Cast) -> None:
    client = connect(cast.admin)
    report = client.store_instances([sent(mr_slice(1)), sent(mr_slice(2))])
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [f"{T1}.1", f"{T1}.2"]
    assert len(client.search_for_instances(STUDY, T1)) == 2
    (frame,) = client.retrieve_instance_frames(STUDY, T1, f"{T1}.2", [1])
    assert frame == mr_slice(2).PixelData
    with pytest.raises(requests.HTTPError, match="403"):
        connect(cast.reader).store_instances([sent(mr_slice(3))])


@pytest.fixture
def served(transactional_db: None) -> Iterator[str]:
    """The URL of the portal under its production server, on this test's database and store."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    database = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    environment = os.environ | {"DATABASE_URL": database, "OVERREAD_STORE": str(portal_settings.OVERREAD_STORE)}
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", "1"]
    with subprocess.Popen(command, cwd=portal_settings.BASE_DIR, env=environment) as process:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_the_production_server_takes_chunks_and_sends_what_lies_in_the_store(served: str, cast: Cast) -> None:
    large = mr_slice(1, Rows=1024, Columns=1024, PixelData=np.arange(1 << 20, dtype="<u2").tobytes())
    with requests.Session() as session:
        session.headers["Authorization"] = f"Token {Token.objects.create(user=cast.admin).key}"
        client = DICOMwebClient(f"{served}/dicomweb", session=session, chunk_size=100_000)
        report = client.store_instances([sent(large)])
        assert len(report.ReferencedSOPSequence) == 1
        (frame,) = client.retrieve_instance_frames(STUDY, T1, f"{T1}.1", [1])
        assert frame == large.PixelData
        assert client.retrieve_instance(STUDY, T1, f"{T1}.1") == sent(large)
        complete_now(Route.objects.get())
        for encoding in ("gzip", "identity"):
            session.headers["Accept-Encoding"] = encoding
            assert client.retrieve_series_metadata(STUDY, T1)[0]["00280010"]["Value"] == [1024]


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The server did not come up.")


def _without(dataset: Dataset, keyword: str) -> Dataset:
    del dataset[keyword]
    return dataset
