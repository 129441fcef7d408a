"""Range requests: the bytes asked for, or all of them, never others."""

from collections.abc import Callable

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dicom_ingest import store as stored
from dicom_ingest.dicomweb.ranges import parse_range
from dicom_ingest.dicomweb.refusals import RangeNotSatisfiable
from dicom_ingest.models import Exam
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, T1
from tests.dicom_ingest.test_wado import body

FIRST = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1"
AS_STORED = "application/dicom; transfer-syntax=*"


@pytest.fixture
def reader(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    return with_token(cast.reader)


@pytest.mark.parametrize(
    ("asked", "cut"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=3-999999", slice(3, None)),
    ],
)
def test_an_instance_comes_in_ranges(reader: Client, asked: str, cut: slice) -> None:
    file = stored.instance_path(STUDY, T1, f"{T1}.1").read_bytes()
    response = reader.get(FIRST, headers={"Accept": AS_STORED, "Range": asked})
    assert response.status_code == 206
    assert body(response) == file[cut]
    assert int(response["Content-Length"]) == len(file[cut])


def test_a_range_goes_on_only_with_what_the_client_has(reader: Client) -> None:
    whole = reader.get(FIRST, headers={"Accept": AS_STORED})
    assert whole["Accept-Ranges"] == "bytes"
    for etag, status in {whole["ETag"]: 206, '"another"': 200}.items():
        headers = {"Accept": AS_STORED, "Range": "bytes=0-9", "If-Range": etag}
        assert reader.get(FIRST, headers=headers).status_code == status


def test_a_range_behind_the_end_is_refused_with_the_size(reader: Client) -> None:
    size = stored.instance_path(STUDY, T1, f"{T1}.1").stat().st_size
    response = reader.get(FIRST, headers={"Accept": AS_STORED, "Range": f"bytes={size}-"})
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{size}")


def test_a_single_frame_comes_in_ranges(reader: Client) -> None:
    headers = {"Accept": "application/octet-stream", "Range": "bytes=4-7"}
    frame = body(reader.get(f"{FIRST}/frames/1", headers={"Accept": "application/octet-stream"}))
    assert body(reader.get(f"{FIRST}/frames/1", headers=headers)) == frame[4:8]


@given(header=st.text(max_size=40), size=st.integers(0, 1 << 40))
def test_any_header_is_a_range_or_none(header: str, size: int) -> None:
    try:
        span = parse_range(header, size=size)
    except RangeNotSatisfiable:
        return
    assert span is None or (span.start >= 0 and span.length > 0 and span.start + span.length <= size)


@given(start=st.integers(0, 500), length=st.integers(1, 500), size=st.integers(1, 1000))
def test_a_range_within_the_bytes_is_what_was_asked_for(start: int, length: int, size: int) -> None:
    header = f"bytes={start}-{start + length - 1}"
    if start >= size:
        with pytest.raises(RangeNotSatisfiable):
            parse_range(header, size=size)
        return
    span = parse_range(header, size=size)
    assert span is not None
    content = bytes(size)
    assert len(content[span.start : span.start + span.length]) == len(content[start : start + length])
    assert span.start == start


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_the_last_bytes_are_the_last(count: int, size: int) -> None:
    span = parse_range(f"bytes=-{count}", size=size)
    assert span is not None
    assert (span.start + span.length, span.length) == (size, min(count, size))


@pytest.mark.parametrize("header", ["", "bytes", "bytes=-", "bytes=1-2,4-5", "bytes=5-2", "items=1-2", "bytes=a-b"])
def test_what_is_no_single_range_gets_the_whole(header: str) -> None:
    assert parse_range(header, size=10) is None
