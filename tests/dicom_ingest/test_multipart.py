"""multipart/related and media types: what clients send is read, whatever its shape; nonsense is refused."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_ingest.dicomweb.multipart import (
    FilePart,
    MalformedMultipart,
    MultipartBody,
    PartTooLarge,
    read_parts,
)
from dicom_ingest.dicomweb.negotiation import (
    MediaRange,
    choose_frames,
    choose_instances,
    parse_accept,
    parse_media_type,
)
from dicom_ingest.dicomweb.refusals import NotAcceptable

HEAD = b"Content-Type: application/dicom\r\n\r\n"
J2K = "1.2.840.10008.1.2.4.90"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
SYNTAXES = [EXPLICIT, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", J2K, "1.2.840.10008.1.2.4.100", IMPLICIT]
tokens = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-*", min_size=1, max_size=20)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


class Trickle:
    """A stream that gives no more than `step` bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._content, self._step = BytesIO(content), step

    def read(self, size: int, /) -> bytes:
        return self._content.read(min(size, self._step))


def read(message: bytes, boundary: str = "b", *, largest_part: int = 1 << 20, step: int = 1 << 16) -> list[bytes]:
    parts = read_parts(Trickle(message, step), boundary, largest_part=largest_part)
    return [b"".join(part.chunks) for part in parts]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\r\n--b\r\n" + HEAD + b"DATA\r\n--b--", id="as OHIF sends"),
        pytest.param(b"--b\r\n" + HEAD + b"DATA\r\n--b--\r\n", id="as requests and Java send"),
        pytest.param(
            b"a preamble\r\n--b\r\n" + HEAD + b"DATA\r\n--b--\r\nan epilogue", id="with preamble and epilogue"
        ),
        pytest.param(b"--b  \t\r\n" + HEAD + b"DATA\r\n--b--", id="white space after a boundary"),
        pytest.param(b"--b\r\n\r\nDATA\r\n--b--", id="no headers"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 16])
def test_one_part_is_read_as_clients_frame_it(message: bytes, step: int) -> None:
    assert read(message, step=step) == [b"DATA"]


@pytest.mark.parametrize(
    "message",
    [b"", b"no boundary at all", b"--b\r\n" + HEAD + b"DATA", b"--b\r\nContent-Type: x\r\n--b--", b"--bee\r\n", b"--b"],
)
def test_a_message_that_does_not_hold_together_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedMultipart):
        read(message)


@pytest.mark.parametrize("boundary", ["", "x" * 71, "é", "a\nb"])
def test_an_impossible_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(MalformedMultipart, match="1 to 70"):
        read(b"--b--", boundary)


def test_a_part_beyond_the_limit_is_refused_before_it_is_held_in_memory() -> None:
    endless = Trickle(b"--b\r\n" + HEAD + b"x" * (1 << 20), 1 << 16)
    with pytest.raises(PartTooLarge, match="more than 1000 bytes"):
        for part in read_parts(endless, "b", largest_part=1000):
            list(part.chunks)
    assert endless.read(1) == b"x"


@settings(deadline=None)
@given(
    contents=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    boundary=st.text("abc'()+_,-./:=?", min_size=1, max_size=70),
    step=st.integers(1, 64),
)
def test_parts_come_back_whatever_bytes_they_hold(contents: list[bytes], boundary: str, step: int) -> None:
    delimiter = b"\r\n--" + boundary.encode()
    if any(delimiter in b"\r\n\r\n" + content for content in contents):
        return
    message = b"".join(delimiter + b"\r\n" + HEAD + content for content in contents) + delimiter + b"--"
    assert read(message, boundary, step=step) == contents


@settings(deadline=None)
@given(contents=st.lists(st.binary(max_size=300), min_size=1, max_size=4), read=st.sets(st.integers(0, 3)))
def test_what_is_left_unread_of_a_part_is_skipped(contents: list[bytes], read: set[int]) -> None:
    delimiter = b"\r\n--boundary"
    if any(delimiter in b"\r\n\r\n" + content for content in contents):
        return
    message = b"".join(delimiter + b"\r\n" + HEAD + content for content in contents) + delimiter + b"--"
    parts = enumerate(read_parts(Trickle(message, 50), "boundary", largest_part=1 << 20))
    found = {number: b"".join(part.chunks) for number, part in parts if number in read}
    assert found == {number: contents[number] for number in read if number < len(contents)}


@settings(deadline=None)
@given(stored=st.sampled_from(SYNTAXES), wanted=st.sampled_from(SYNTAXES), count=st.integers(1, 3))
def test_frames_go_out_in_the_syntax_asked_for_or_not_at_all(stored: str, wanted: str, count: int) -> None:
    accepted = parse_accept(f'multipart/related; type="application/octet-stream"; transfer-syntax={wanted}')
    try:
        chosen = choose_frames(accepted, stored=stored, count=count)
    except NotAcceptable as refused:
        assert not re.search(rf"transfer-syntax={re.escape(wanted)}(?!\.?[0-9])", str(refused))
        return
    assert chosen.transfer_syntax == wanted
    assert chosen.converted == (wanted != stored and {wanted, stored} != {IMPLICIT, EXPLICIT})


@settings(deadline=None)
@given(message=st.binary(max_size=200), step=st.integers(1, 64))
def test_any_bytes_are_read_or_refused(message: bytes, step: int) -> None:
    try:
        read(message, step=step)
    except MalformedMultipart:
        return


def test_what_is_written_is_read_and_as_long_as_announced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 1000)
    ranges = [(0, 10), (100_000, 150_000), (5, 0)]
    body = MultipartBody.of([FilePart(content_type="a/b", path=file, offset=at, length=size) for at, size in ranges])
    message = b"".join(body)
    assert len(message) == body.length
    parts = read_parts(BytesIO(message), body.boundary, largest_part=1 << 20)
    read_back = [(part.headers, b"".join(part.chunks)) for part in parts]
    assert read_back == [({"content-type": "a/b"}, file.read_bytes()[at : at + size]) for at, size in ranges]


def test_a_file_shorter_than_announced_breaks_the_response_off(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"short")
    with pytest.raises(OSError, match="ends 5 bytes before"):
        b"".join(FilePart(content_type="a/b", path=file, offset=0, length=10).chunks())


@settings(deadline=None)
@given(name=tokens, subname=tokens, key=tokens, value=printable)
def test_a_quoted_parameter_comes_back(name: str, subname: str, key: str, value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    parsed = parse_media_type(f' {name}/{subname} ; {key} = "{escaped}" ; other=1')
    assert parsed is not None
    assert parsed.name == f"{name}/{subname}".lower()
    assert parsed.parameters == {key.lower(): value, "other": "1"} | ({"other": "1"} if key == "other" else {})


@settings(deadline=None)
@given(st.text())
def test_any_accept_header_is_read(header: str) -> None:
    for accepted in parse_accept(header):
        assert "/" in accepted.name
        assert 0 < accepted.quality <= 1


@settings(deadline=None)
@given(st.lists(st.tuples(tokens, st.integers(1, 1000)), min_size=1, max_size=5))
def test_the_most_wanted_type_comes_first(wanted: list[tuple[str, int]]) -> None:
    header = ", ".join(f"x/{name};q={quality / 1000}" for name, quality in wanted)
    qualities = [accepted.quality for accepted in parse_accept(header)]
    assert qualities == sorted(qualities, reverse=True)
    assert len(qualities) == len(wanted)


def test_parameters_may_be_quoted_or_not_and_commas_may_be_quoted() -> None:
    plain, quoted = parse_accept(
        'multipart/related; type=image/jls; transfer-syntax=*, Multipart/Related;TYPE="image/jls";x="a,b;c"'
    )
    assert plain.inner == quoted.inner == "image/jls"
    assert (plain.transfer_syntax, quoted.transfer_syntax) == ("*", None)
    assert quoted.parameters["x"] == "a,b;c"
    (escaped,) = parse_accept(r'a/b; x="say \"no, no\" \\"')
    assert escaped.parameters["x"] == 'say "no, no" \\'


def test_what_is_not_wanted_at_all_is_left_out() -> None:
    assert [accepted.name for accepted in parse_accept("a/b;q=0, c/d;q=nonsense, e/f;q=0.5")] == ["c/d", "e/f"]


@pytest.mark.parametrize(
    ("accept", "media_type", "multipart"),
    [
        ('multipart/related; type="image/jp2"; q=0.5, multipart/related; type="image/*"', "image/jp2", True),
        ("image/jp2", "image/jp2", False),
        (f"application/octet-stream; transfer-syntax={J2K}", "application/octet-stream", False),
        ("multipart/*", "image/jp2", True),
        ("image/png, */*;q=0.1", "image/jp2", True),
    ],
)
def test_frames_go_out_as_the_client_likes_best(accept: str, media_type: str, multipart: bool) -> None:
    chosen = choose_frames(parse_accept(accept), stored=J2K, count=1)
    assert (chosen.media_type, chosen.transfer_syntax, chosen.multipart) == (media_type, J2K, multipart)


@pytest.mark.parametrize(
    "accept", ["image/png", 'multipart/related; type="image/jpeg"', "image/jp2; transfer-syntax=1"]
)
def test_frames_that_cannot_be_given_so_are_refused_with_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=f"image/jp2; transfer-syntax={J2K}"):
        choose_frames(parse_accept(accept), stored=J2K, count=1)


def test_instances_in_several_transfer_syntaxes_go_out_only_to_who_takes_any() -> None:
    mixed = ["1.2.840.10008.1.2.1", J2K]
    assert choose_instances([MediaRange("*/*")], stored=mixed, count=2).transfer_syntax == ""
    with pytest.raises(NotAcceptable, match=J2K):
        wanted = parse_accept('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50')
        choose_instances(wanted, stored=mixed, count=2)
