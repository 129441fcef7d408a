"""Range requests (RFC 9110, 14) for single parts: one range of bytes of what would be sent as a whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.http import HttpRequest

from dicom_ingest.dicomweb.refusals import RangeNotSatisfiable

_ONE_RANGE = re.compile(r"(?i)bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*")


@dataclass(frozen=True, kw_only=True)
class Span:
    """`length` bytes from `start`, of `size` in all."""

    start: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        """The header that says which bytes these are."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def asked(request: HttpRequest, *, size: int, etag: str) -> Span | None:
    """The range that `request` asks for, or None for the whole: also when If-Range names another ETag.

    Raises RangeNotSatisfiable.
    """
    if_range = request.headers.get("If-Range", etag)
    return parse_range(request.headers.get("Range", ""), size=size) if if_range == etag else None


def parse_range(header: str, *, size: int) -> Span | None:
    """One range of bytes, or None for what is no such thing; several ranges are answered by the whole, as allowed.

    Raises RangeNotSatisfiable for a range that begins behind the last of `size` bytes.
    """
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return _span(size - length, size, size=size)
    start, end = int(found[1]), int(found[2] or size)
    return None if end < start else _span(start, min(end + 1, size), size=size)


def _span(start: int, end: int, *, size: int) -> Span:
    if start >= end:
        raise RangeNotSatisfiable(size=size)
    return Span(start=start, length=end - start, size=size)
