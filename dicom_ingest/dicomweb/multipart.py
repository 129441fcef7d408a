"""multipart/related (RFC 2387, RFC 2046 5.1.1): read from a stream, and written from ranges of files.

Reading holds one part at a time. It takes what DICOMweb clients send: a body that begins with CRLF, with a preamble, or
with the boundary itself, and one whose last boundary has no CRLF after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

_BLOCK = 1 << 16
LONGEST_HEADERS = 1 << 14


class MalformedMultipart(ValueError):
    """A body that is not the multipart message its header announces."""


class PartTooLarge(ValueError):
    """A part that exceeds what is held in memory at once."""


class ByteStream(Protocol):
    """What a request's body is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Part:
    """One part of a message as it was read: headers by lower-case name."""

    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, kw_only=True)
class FilePart:
    """One part to be written: `length` bytes of a file from `offset`."""

    content_type: str
    path: Path
    offset: int
    length: int

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in blocks. Raises OSError, also when the file is shorter than it should be."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            remaining = self.length
            while remaining:
                block = file.read(min(_BLOCK, remaining))
                if not block:
                    raise OSError(f"{self.path.name} ends {remaining} bytes before the end of what was to be sent.")
                remaining -= len(block)
                yield block


@dataclass(frozen=True, kw_only=True)
class BytesPart:
    """One part to be written, from memory."""

    content_type: str
    content: bytes

    @property
    def length(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in one block."""
        yield self.content


OutgoingPart = FilePart | BytesPart


@dataclass(frozen=True)
class MultipartBody:
    """A message to be written. Iterating over it reads the files; its length is known before."""

    parts: Sequence[OutgoingPart]
    boundary: str

    @classmethod
    def of(cls, parts: Sequence[OutgoingPart]) -> MultipartBody:
        return cls(parts, uuid4().hex)

    def __iter__(self) -> Iterator[bytes]:
        for position, part in enumerate(self.parts):
            yield self._head(part, first=position == 0)
            yield from part.chunks()
        yield self._end

    def __len__(self) -> int:
        heads = (len(self._head(part, first=position == 0)) for position, part in enumerate(self.parts))
        return sum(heads) + sum(part.length for part in self.parts) + len(self._end)

    def _head(self, part: OutgoingPart, *, first: bool) -> bytes:
        before = "" if first else "\r\n"
        return f"{before}--{self.boundary}\r\nContent-Type: {part.content_type}\r\n\r\n".encode("ascii")

    @property
    def _end(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")


def read_parts(stream: ByteStream, boundary: str, *, largest_part: int) -> Iterator[Part]:
    """The parts of the message in `stream`, one by one.

    Raises MalformedMultipart for a boundary that RFC 2046 forbids, a message without it or cut off before its end, or
    headers that do not end; PartTooLarge for a part of more than `largest_part` bytes.
    """
    if not 1 <= len(boundary) <= 70 or not boundary.isascii() or not boundary.isprintable():
        raise MalformedMultipart("The boundary in the Content-Type header has to have 1 to 70 ASCII characters.")
    reader = _Reader(stream, b"\r\n--" + boundary.encode("ascii"), largest_part=largest_part)
    reader.to_boundary()  # leaves out the preamble
    while not reader.at_end():
        yield _part(reader.to_boundary())


def _part(raw: bytes) -> Part:
    if raw.startswith(b"\r\n"):  # no headers at all
        return Part({}, raw[2:])
    head, found, content = raw.partition(b"\r\n\r\n")
    if not found or len(head) > LONGEST_HEADERS:
        raise MalformedMultipart("A part has no empty line between its headers and its content.")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return Part({name.strip().lower(): value.strip() for name, _, value in lines}, content)


class _Reader:
    """Cuts a stream at its delimiters."""

    def __init__(self, stream: ByteStream, delimiter: bytes, *, largest_part: int) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._largest = largest_part
        # The CRLF of the first delimiter is left out where the message begins with the boundary.
        self._buffer = bytearray(b"\r\n")

    def to_boundary(self) -> bytes:
        """What comes before the next delimiter, which is consumed."""
        searched = 0
        while (found := self._buffer.find(self._delimiter, searched)) < 0:
            searched = max(0, len(self._buffer) - len(self._delimiter) + 1)
            if len(self._buffer) > self._largest + LONGEST_HEADERS:
                raise PartTooLarge(f"A part has more than {self._largest} bytes.")
            self._fill("the last boundary")
        before = bytes(self._buffer[:found])
        del self._buffer[: found + len(self._delimiter)]
        return before

    def at_end(self) -> bool:
        """Whether the delimiter just consumed was the last one; else its line is consumed as well."""
        while len(self._buffer) < 2:
            self._fill("the line of a boundary")
        if self._buffer.startswith(b"--"):
            return True
        end = self._buffer.find(b"\r\n")
        while end < 0 and len(self._buffer) < LONGEST_HEADERS:
            self._fill("the line of a boundary")
            end = self._buffer.find(b"\r\n")
        if end < 0 or self._buffer[:end].strip(b" \t"):
            raise MalformedMultipart("A boundary is followed by something else than the end of its line.")
        del self._buffer[: end + 2]
        return False

    def _fill(self, before: str) -> None:
        block = self._stream.read(_BLOCK)
        if not block:
            raise MalformedMultipart(f"The message ends before {before}.")
        self._buffer += block
