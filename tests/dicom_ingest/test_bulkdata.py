"""Bulk data: what metadata name by a URI is there, byte for byte and range by range."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, T1, complete, mr_slice, receive
from tests.dicom_ingest.test_wado import body, parts

FIRST = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1"
DOCUMENT = bytes(range(256)) * 1200


@pytest.fixture
def reader(study: Any, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    image, item = mr_slice(1), Dataset()
    image.EncapsulatedDocument = DOCUMENT
    block = item.private_block(0x0029, "OVERREAD TEST", create=True)
    block.add_new(1, "OB", b"inner!" * 1000)
    image.RequestAttributesSequence = Sequence([Dataset(), item])
    (instance,) = receive(image)
    complete(instance.series.exam)
    return with_token(cast.reader)


def header(client: Client) -> Any:
    return json.loads(body(client.get(f"{FIRST}/metadata", headers={"Accept-Encoding": "identity"})))[0]


def test_a_large_value_is_named_in_the_metadata_and_served_as_it_is(reader: Client) -> None:
    uri = header(reader)["00420011"]["BulkDataURI"]
    assert uri == f"{FIRST}/bulkdata/00420011"
    response = reader.get(uri)
    assert (response["Content-Type"], body(response)) == ("application/octet-stream", DOCUMENT)
    wrapped = reader.get(uri, headers={"Accept": 'multipart/related; type="application/octet-stream"'})
    assert parts(wrapped) == [("Content-Type: application/octet-stream", DOCUMENT)]
    assert reader.get(uri, headers={"Accept": "application/pdf"}).status_code == 406


def test_a_value_in_an_item_of_a_sequence_has_its_uri_too(reader: Client) -> None:
    uri = header(reader)["00400275"]["Value"][1]["00291001"]["BulkDataURI"]
    assert uri == f"{FIRST}/bulkdata/00400275.2.00291001"
    assert body(reader.get(uri)) == b"inner!" * 1000


def test_a_range_of_it_comes_alone(reader: Client) -> None:
    response = reader.get(f"{FIRST}/bulkdata/00420011", headers={"Range": "bytes=100-199"})
    assert (response.status_code, response["Content-Range"]) == (206, f"bytes 100-199/{len(DOCUMENT)}")
    assert body(response) == DOCUMENT[100:200]


@pytest.mark.parametrize(
    "path", ["00420012", "00400275", "00400275.3.00291001", "00400275.0.00291001", "x", "1.2", "/"]
)
def test_what_is_no_bulk_value_is_not_there(reader: Client, path: str) -> None:
    assert reader.get(f"{FIRST}/bulkdata/{path}").status_code == 404
