"""multipart/related (RFC 2387, RFC 2046 5.1.1): read from a stream, and written from ranges of files.

Reading holds one block at a time, never a part. It takes what DICOMweb clients send: a body that begins with CRLF, with
a preamble, or with the boundary itself, and one whose last boundary has no CRLF after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

_BLOCK = 1 << 16
_SENT_BLOCK = 1 << 20  # a frame goes out in one write
LONGEST_HEADERS = 1 << 14


class MalformedMultipart(ValueError):
    """A body that is not the multipart message its header announces."""


class PartTooLarge(ValueError):
    """A part that exceeds what is taken at once."""


class ByteStream(Protocol):
    """What a request's body is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Part:
    """One part of a message as it is read: headers by lower-case name.

    chunks: its content, to be read before the next part is; what is left unread is skipped. Reading raises
    MalformedMultipart where the message is cut off, and PartTooLarge.
    """

    headers: Mapping[str, str]
    chunks: Iterator[bytes]


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
                block = file.read(min(_SENT_BLOCK, remaining))
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


@dataclass(frozen=True, kw_only=True)
class MadePart:
    """One part to be written that is made when its turn comes, so that one at a time is in memory."""

    content_type: str
    make: Callable[[], bytes]

    @property
    def length(self) -> None:
        return None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in one block. Raises what `make` raises."""
        yield self.make()


@dataclass(frozen=True, kw_only=True)
class JoinedPart:
    """One part to be written of several ranges of a file, one after the other."""

    pieces: Sequence[FilePart]

    @property
    def content_type(self) -> str:
        return self.pieces[0].content_type

    @property
    def length(self) -> int:
        return sum(piece.length for piece in self.pieces)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in blocks. Raises OSError."""
        for piece in self.pieces:
            yield from piece.chunks()


OutgoingPart = FilePart | BytesPart | MadePart | JoinedPart


@dataclass(frozen=True)
class MultipartBody:
    """A message to be written. Iterating over it reads the files; `length` is known before unless a part is made."""

    parts: Sequence[OutgoingPart]
    boundary: str

    @classmethod
    def of(cls, parts: Sequence[OutgoingPart]) -> MultipartBody:
        return cls(parts, uuid4().hex)

    def __iter__(self) -> Iterator[bytes]:
        head = b""
        for position, part in enumerate(self.parts):
            head += self._head(part, first=position == 0)
            for chunk in part.chunks():
                yield head + chunk  # together, since each block is a write to the network
                head = b""
        yield head + self._end

    @property
    def length(self) -> int | None:
        lengths = [part.length for part in self.parts]
        if None in lengths:
            return None
        heads = sum(len(self._head(part, first=position == 0)) for position, part in enumerate(self.parts))
        return heads + sum(length or 0 for length in lengths) + len(self._end)

    def _head(self, part: OutgoingPart, *, first: bool) -> bytes:
        before = "" if first else "\r\n"
        return f"{before}--{self.boundary}\r\nContent-Type: {part.content_type}\r\n\r\n".encode("ascii")

    @property
    def _end(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")


def read_parts(stream: ByteStream, boundary: str, *, largest_part: int) -> Iterator[Part]:
    """The parts of the message in `stream`, one by one; see Part for how they are read.

    Raises MalformedMultipart for a boundary that RFC 2046 forbids, a message without it or cut off before its end, or
    headers that do not end; PartTooLarge for a part of more than `largest_part` bytes.
    """
    if not 1 <= len(boundary) <= 70 or not boundary.isascii() or not boundary.isprintable():
        raise MalformedMultipart("The boundary in the Content-Type header has to have 1 to 70 ASCII characters.")
    reader = _Reader(stream, b"\r\n--" + boundary.encode("ascii"))
    _skip(reader.to_boundary(largest=largest_part))  # the preamble
    while not reader.at_end():
        headers = reader.headers()
        chunks = reader.to_boundary(largest=largest_part)
        yield Part(headers, chunks)
        _skip(chunks)


def _skip(chunks: Iterator[bytes]) -> None:
    for _ in chunks:
        continue


class _Reader:
    """Cuts a stream at its delimiters."""

    def __init__(self, stream: ByteStream, delimiter: bytes) -> None:
        self._stream = stream
        self._delimiter = delimiter
        # The CRLF of the first delimiter is left out where the message begins with the boundary.
        self._buffer = bytearray(b"\r\n")

    def to_boundary(self, *, largest: int) -> Iterator[bytes]:
        """What comes before the next delimiter, which is consumed."""
        given = 0
        while (found := self._buffer.find(self._delimiter)) < 0:
            # The last bytes may be the beginning of the delimiter.
            safe = max(0, len(self._buffer) - len(self._delimiter) + 1)
            given += safe
            if given > largest:
                raise PartTooLarge(f"A part has more than {largest} bytes.")
            if safe:
                yield self._take(safe)
            self._fill("the last boundary")
        if given + found > largest:
            raise PartTooLarge(f"A part has more than {largest} bytes.")
        yield self._take(found)
        self._take(len(self._delimiter))

    def headers(self) -> dict[str, str]:
        """The header lines of a part, up to the empty line after them, which is consumed."""
        while len(self._buffer) < 2:
            self._fill("the headers of a part")
        if self._buffer.startswith(b"\r\n"):  # no headers at all
            self._take(2)
            return {}
        while (end := self._buffer.find(b"\r\n\r\n")) < 0 and len(self._buffer) <= LONGEST_HEADERS:
            self._fill("the end of a part's headers")
        if not 0 <= end <= LONGEST_HEADERS or self._delimiter in self._buffer[:end]:
            raise MalformedMultipart("A part has no empty line between its headers and its content.")
        lines = (line.partition(":") for line in self._take(end).decode("latin-1").split("\r\n"))
        self._take(4)
        return {name.strip().lower(): value.strip() for name, _, value in lines}

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
        self._take(end + 2)
        return False

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _fill(self, before: str) -> None:
        block = self._stream.read(_BLOCK)
        if not block:
            raise MalformedMultipart(f"The message ends before {before}.")
        self._buffer += block
