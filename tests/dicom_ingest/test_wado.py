"""WADO-RS: instances as received, metadata as written at index time, frames as ranges of bytes."""

import gzip
import json
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from django.test import Client
from django.utils.timezone import now
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pytest_django import DjangoAssertNumQueries

from dicom_ingest import store as stored
from dicom_ingest.models import Exam, Series
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import COLUMNS, FLAIR, ROWS, STUDY, T1, complete, encoded, mr_slice, receive

SERIES = f"/dicomweb/studies/{STUDY}/series/{T1}"
FIRST = f"{SERIES}/instances/{T1}.1"
Connect = Callable[[User], DICOMwebClient]
ANY_SYNTAX = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


@pytest.fixture
def reader(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    complete(scanned)
    return with_token(cast.reader)


def body(response: Any) -> bytes:
    chunks: Iterable[bytes] = response.streaming_content if response.streaming else [response.content]
    return b"".join(chunks)


def parts(response: Any) -> list[tuple[str, bytes]]:
    """Header lines and content of each part, cut without the code that is tested."""
    boundary = response["Content-Type"].partition("boundary=")[2].encode()
    sent = body(response)
    assert len(sent) == int(response["Content-Length"])
    pieces = (b"\r\n" + sent).split(b"\r\n--" + boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    cut = (piece.removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces[1:-1])
    return [(head.decode(), content) for head, _, content in cut]


def sent_slice(number: int) -> Dataset:
    """The slice as its file reads."""
    return dcmread(BytesIO(encoded(mr_slice(number))))


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


@pytest.fixture
def file_sample(study: Any, cast: Cast, with_token: Callable[[User], Client]) -> Callable[[str], tuple[str, Client]]:
    """Files one of pydicom's samples; gives the URL of its instance and a client that may read it."""

    def file(name: str) -> tuple[str, Client]:
        (instance,) = receive(sample(name).read_bytes())
        exam = complete(instance.series.exam)
        series = instance.series.series_instance_uid
        url = f"/dicomweb/studies/{exam.study_instance_uid}/series/{series}/instances/{instance.sop_instance_uid}"
        return url, with_token(cast.reader)

    return file


def test_an_instance_comes_back_as_it_was_received(reader: Client) -> None:
    response = reader.get(FIRST, headers={"Accept": 'multipart/related; type="application/dicom"'})
    assert response["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    ((head, content),) = parts(response)
    assert head == "Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert dcmread(BytesIO(content)) == sent_slice(1)


def test_a_series_and_a_study_come_instance_by_instance(reader: Client) -> None:
    series = [dcmread(BytesIO(content)).SOPInstanceUID for _, content in parts(reader.get(SERIES))]
    assert series == [f"{T1}.1", f"{T1}.2", f"{T1}.3"]
    study = [dcmread(BytesIO(content)).SOPInstanceUID for _, content in parts(reader.get(f"/dicomweb/studies/{STUDY}"))]
    assert study == [*series, f"{FLAIR}.1"]


def test_one_instance_may_come_as_a_single_part(reader: Client) -> None:
    response = reader.get(FIRST, headers={"Accept": "application/dicom"})
    assert response["Content-Type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    content = body(response)
    assert dcmread(BytesIO(content)) == sent_slice(1)
    assert int(response["Content-Length"]) == len(content)
    assert reader.get(SERIES, headers={"Accept": "application/dicom"}).status_code == 406


def test_a_transfer_syntax_that_cannot_be_made_is_declined_with_those_that_can_named(reader: Client) -> None:
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'
    response = reader.get(FIRST, headers={"Accept": accept})
    assert response.status_code == 406
    assert "transfer syntax 1.2.840.10008.1.2.1, 1.2.840.10008.1.2.4.80" in response.json()["detail"]


def test_an_accept_header_that_names_nothing_is_refused(reader: Client) -> None:
    response = reader.get(FIRST, headers={"Accept": "anything"})
    assert response.status_code == 406
    assert "names no media type" in response.json()["detail"]
    assert reader.get(f"{FIRST}?accept=application/dicom", headers={"Accept": "text/html"}).status_code == 200


def test_a_series_without_instances_is_not_there(reader: Client, scanned: Exam) -> None:
    Series.objects.create(exam=scanned, series_instance_uid=f"{T1}.99", modality="SR")
    assert reader.get(f"/dicomweb/studies/{STUDY}/series/{T1}.99").status_code == 404


def test_a_superseded_series_is_served_only_by_its_uid(reader: Client) -> None:
    Series.objects.filter(series_instance_uid=FLAIR).update(superseded_at=now())
    assert len(parts(reader.get(f"/dicomweb/studies/{STUDY}"))) == 3
    assert len(reader.get(f"/dicomweb/studies/{STUDY}/metadata").json()) == 3
    assert len(parts(reader.get(f"/dicomweb/studies/{STUDY}/series/{FLAIR}"))) == 1
    assert len(json.loads(body(reader.get(f"/dicomweb/studies/{STUDY}/series/{FLAIR}/metadata")))) == 1


def test_quiet_metadata_are_sent_as_they_lie_in_the_store(reader: Client) -> None:
    response = reader.get(f"{SERIES}/metadata", headers={"Accept-Encoding": "gzip, deflate"})
    assert response["Content-Encoding"] == "gzip"
    assert response["Content-Type"] == "application/dicom+json"
    sent = body(response)
    assert sent == stored.metadata_path(STUDY, T1).read_bytes()
    plain = body(reader.get(f"{SERIES}/metadata", headers={"Accept-Encoding": "gzip;q=0, br"}))
    assert plain == gzip.decompress(sent)


def test_metadata_are_the_same_while_instances_still_join(reader: Client) -> None:
    quiet = json.loads(body(reader.get(f"{SERIES}/metadata")))
    stored.metadata_path(STUDY, T1).unlink()
    joining = reader.get(f"{SERIES}/metadata", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in joining
    assert joining.json() == quiet
    packed = reader.get(f"{SERIES}/metadata", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.content)) == quiet
    assert [header["00200013"]["Value"] for header in quiet] == [[1], [2], [3]]
    of_study = reader.get(f"/dicomweb/studies/{STUDY}/metadata").json()
    assert of_study[:3] == quiet
    assert len(of_study) == 4
    assert reader.get(f"{FIRST}/metadata").json() == quiet[:1]


def test_metadata_hold_numbers_and_no_pixels(reader: Client) -> None:
    (header,) = reader.get(f"{FIRST}/metadata").json()
    assert header["00280030"] == {"vr": "DS", "Value": [1.5, 1.5]}
    assert header["00200013"] == {"vr": "IS", "Value": [1]}
    assert "7FE00010" not in header


@pytest.mark.parametrize(
    "accept", [ANY_SYNTAX, ANY_SYNTAX.replace('"', ""), 'multipart/related; type="application/octet-stream"', "*/*"]
)
def test_a_frame_is_the_stored_pixels_under_the_headers_the_viewer_reads(reader: Client, accept: str) -> None:
    response = reader.get(f"{FIRST}/frames/1", headers={"Accept": accept})
    assert response["Content-Type"].startswith(
        'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1; boundary='
    )
    ((head, content),) = parts(response)
    assert head == "Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert content == mr_slice(1).PixelData


def test_a_frame_may_come_as_a_single_part(reader: Client) -> None:
    response = reader.get(f"{FIRST}/frames/1", headers={"Accept": "application/octet-stream"})
    assert response["Content-Type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert body(response) == mr_slice(1).PixelData


def test_several_frames_come_in_the_order_asked_for(
    study: Any, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    frames = np.arange(4 * ROWS * COLUMNS, dtype="<u2").tobytes()
    (instance,) = receive(mr_slice(1, NumberOfFrames=4, PixelData=frames))
    complete(instance.series.exam)
    client, size = with_token(cast.reader), 2 * ROWS * COLUMNS
    response = client.get(f"{FIRST}/frames/3,1", headers={"Accept": ANY_SYNTAX})
    assert [content for _, content in parts(response)] == [frames[2 * size : 3 * size], frames[:size]]
    single = client.get(f"{FIRST}/frames/3,1", headers={"Accept": "application/octet-stream"})
    assert single.status_code == 406
    assert "Several frames need multipart/related" in single.json()["detail"]


def test_frames_of_single_bits_that_share_bytes_each_begin_on_a_byte(
    study: Any, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    masks = np.random.default_rng(0).integers(0, 2, size=(3, 5, 7), dtype=np.uint8)
    together = np.packbits(masks.ravel(), bitorder="little").tobytes()
    odd = mr_slice(1, Rows=5, Columns=7, BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=3)
    odd.PixelData = together
    (instance,) = receive(odd)
    complete(instance.series.exam)
    response = with_token(cast.reader).get(f"{FIRST}/frames/1,2,3", headers={"Accept": ANY_SYNTAX})
    assert [content for _, content in parts(response)] == [
        np.packbits(mask.ravel(), bitorder="little").tobytes() for mask in masks
    ]


@pytest.mark.parametrize(
    ("frames", "status"),
    [("0", 404), ("2", 404), ("1,2", 404), ("x", 400), ("1,,2", 400), (",".join("1" * 10_001), 400)],
)
def test_a_frame_number_that_is_not_there_is_refused_in_words(reader: Client, frames: str, status: int) -> None:
    response = reader.get(f"{FIRST}/frames/{frames}")
    assert response.status_code == status
    assert "rame" in response.json()["detail"]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("JPEG2000.dcm", "image/jp2"),
        ("MR_small_jp2klossless.dcm", "image/jp2"),
        ("JPGExtended.dcm", "image/jpeg"),
        ("examples_ybr_color.dcm", "image/jpeg"),
        ("SC_rgb_rle_2frame.dcm", "image/dicom-rle"),
    ],
)
def test_compressed_frames_leave_as_they_were_received(
    file_sample: Callable[[str], tuple[str, Client]], name: str, media_type: str
) -> None:
    url, client = file_sample(name)
    original = dcmread(sample(name))
    syntax = original.file_meta.TransferSyntaxUID
    count = int(original.get("NumberOfFrames") or 1)
    frames = list(generate_frames(original.PixelData, number_of_frames=count))
    every = f"{url}/frames/{','.join(str(number) for number in range(1, count + 1))}"
    for accept, part_type in {
        ANY_SYNTAX: "application/octet-stream",
        f'multipart/related; type="{media_type}"': media_type,
        f'multipart/related; type="{media_type}"; transfer-syntax={syntax}': media_type,
        "*/*": media_type,
    }.items():
        sent = parts(client.get(every, headers={"Accept": accept}))
        assert [content for _, content in sent] == frames
        assert {head for head, _ in sent} == {f"Content-Type: {part_type}; transfer-syntax={syntax}"}


@pytest.mark.parametrize(
    ("name", "labelled"),
    [("MR_small_implicit.dcm", "1.2.840.10008.1.2.1"), ("MR_small_bigendian.dcm", ExplicitVRBigEndian)],
)
def test_native_frames_are_labelled_by_their_byte_order(
    file_sample: Callable[[str], tuple[str, Client]], name: str, labelled: str
) -> None:
    url, client = file_sample(name)
    ((head, content),) = parts(client.get(f"{url}/frames/1", headers={"Accept": ANY_SYNTAX}))
    assert head == f"Content-Type: application/octet-stream; transfer-syntax={labelled}"
    assert content == dcmread(sample(name)).PixelData


def test_frames_of_a_deflated_instance_are_decoded(file_sample: Callable[[str], tuple[str, Client]]) -> None:
    url, client = file_sample("image_dfl.dcm")  # no frame is a range of the file
    ((head, content),) = parts(client.get(f"{url}/frames/1", headers={"Accept": ANY_SYNTAX}))
    assert head == "Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert content == dcmread(sample("image_dfl.dcm")).PixelData
    assert len(parts(client.get(url))) == 1


def test_browsers_may_keep_what_never_changes(reader: Client) -> None:
    for url in (FIRST, f"{FIRST}/frames/1"):
        first = reader.get(url)
        assert first["Cache-Control"] == "private, max-age=3600"
        assert {"Accept", "Authorization", "Cookie"} <= {name.strip() for name in first["Vary"].split(",")}
        again = reader.get(url, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, body(again)) == (304, b"")
        single = reader.get(url, headers={"Accept": "application/dicom, application/octet-stream"})
        assert single["ETag"] != first["ETag"]
    assert reader.get(f"{SERIES}/metadata")["Cache-Control"] == "private, no-cache"


def test_a_file_that_is_gone_is_a_fault_of_the_server_in_words(reader: Client) -> None:
    stored.instance_path(STUDY, T1, f"{T1}.1").unlink()
    stored.header_path(STUDY, T1, f"{T1}.1").unlink()
    for url in (FIRST, SERIES, f"{FIRST}/frames/1", f"{FIRST}/metadata"):
        response = reader.get(url)
        assert response.status_code == 500
        assert "restore it from backup" in response.json()["detail"]


def test_a_file_that_was_cut_short_is_not_sent_as_a_frame(reader: Client) -> None:
    path = stored.instance_path(STUDY, T1, f"{T1}.1")
    path.write_bytes(path.read_bytes()[:-1])
    response = reader.get(f"{FIRST}/frames/1")
    assert response.status_code == 500
    assert "shorter than when indexed" in response.json()["detail"]


def test_retrieving_costs_few_queries(reader: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assert (
        reader.get(f"/dicomweb/studies/{STUDY}/series").status_code == 200
    )  # who asks, and sees it, is known from now
    for url, queries in {FIRST: 2, f"{FIRST}/frames/1": 0, f"{SERIES}/metadata": 1, SERIES: 2}.items():
        with django_assert_num_queries(queries):
            assert reader.get(url).status_code == 200


def test_a_public_client_finds_and_retrieves_an_exam(connect: Connect, cast: Cast) -> None:
    (implicit,) = receive(_implicit(mr_slice(4)))
    first, *_ = receive(mr_slice(1), mr_slice(2))
    complete(first.series.exam)
    client = connect(cast.reader)
    assert [found["0020000D"]["Value"] for found in client.search_for_studies(fuzzymatching=False)] == [[STUDY]]
    assert client.search_for_studies(search_filters={"PatientName": "nobody"}) == []
    assert len(client.search_for_series(STUDY)) == 1
    assert len(client.search_for_instances(STUDY, T1, get_remaining=True, limit=2)) == 3
    assert len(client.retrieve_series_metadata(STUDY, T1)) == 3
    assert len(client.retrieve_study_metadata(STUDY)) == 3
    assert client.retrieve_instance_metadata(STUDY, T1, f"{T1}.1")["00280010"]["Value"] == [ROWS]
    assert client.retrieve_instance(STUDY, T1, f"{T1}.1") == sent_slice(1)
    assert {one.SOPInstanceUID for one in client.retrieve_series(STUDY, T1)} == {f"{T1}.1", f"{T1}.2", f"{T1}.4"}
    assert len(list(client.iter_study(STUDY))) == 3
    for number in (1, 4):
        (frame,) = client.retrieve_instance_frames(STUDY, T1, f"{T1}.{number}", [1])
        pixels = np.frombuffer(frame, "<u2").reshape(ROWS, COLUMNS)
        np.testing.assert_array_equal(pixels, mr_slice(number).pixel_array)
    assert implicit.transfer_syntax_uid == ImplicitVRLittleEndian


def test_a_public_client_of_an_outsider_is_told_nothing(connect: Connect, cast: Cast) -> None:
    first, *_ = receive(mr_slice(1))
    complete(first.series.exam)
    client = connect(cast.outsider)
    assert client.search_for_studies() == client.search_for_series() == client.search_for_instances() == []
    calls: list[Callable[[], object]] = [
        lambda: client.search_for_series(STUDY),
        lambda: client.search_for_instances(STUDY, T1),
        lambda: client.retrieve_series_metadata(STUDY, T1),
        lambda: client.retrieve_study_metadata(STUDY),
        lambda: client.retrieve_instance(STUDY, T1, f"{T1}.1"),
        lambda: client.retrieve_instance_frames(STUDY, T1, f"{T1}.1", [1]),
    ]
    for call in calls:
        with pytest.raises(requests.HTTPError, match="404"):
            call()


def test_a_longer_series_costs_no_more_queries(
    reader: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    receive(*(mr_slice(number) for number in range(4, 14)))
    assert reader.get(f"/dicomweb/studies/{STUDY}/series").status_code == 200
    with django_assert_num_queries(2):
        assert len(parts(reader.get(SERIES))) == 13


def _implicit(dataset: Dataset) -> bytes:
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return encoded(dataset)
