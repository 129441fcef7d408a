"""The responses of WADO-RS: bodies from files, and how long browsers may keep them.

Python copies as few pixels as it can. A whole file leaves by NGINX where OVERREAD_ACCEL_PREFIX is set, else by the
server's sendfile; so does a single range, of which NGINX could not be told. Only a multipart body, whose boundaries lie
in no file, is read and written here, a frame at a time.
"""

from __future__ import annotations

import gzip
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers

from dicom_ingest.dicomweb import ranges
from dicom_ingest.dicomweb.multipart import FilePart, MultipartBody, OutgoingPart
from dicom_ingest.dicomweb.negotiation import MULTIPART

# An instance never changes, but who may see it does, and workstations are shared: an hour, not for ever.
KEPT_BY_BROWSERS = "private, max-age=3600"
ASKED_EVERY_TIME = "private, no-cache"
_WORTH_PACKING = 1024  # bytes


class _FileRange(io.RawIOBase):
    """A range of a file, as a file of its own whose descriptor stands at the range: what sendfile needs."""

    def __init__(self, path: Path, *, offset: int, length: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._offset, self._length = offset, length
        self._file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        left = self._length - self.tell()
        return self._file.read(left if size < 0 else min(size, left)) or b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._length}[whence]
        return self._file.seek(self._offset + base + offset) - self._offset

    def tell(self) -> int:
        return self._file.tell() - self._offset

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


def multipart(parts: Sequence[OutgoingPart], media_type: str, *, transfer_syntax: str = "") -> StreamingHttpResponse:
    """`parts` as multipart/related, streamed file by file."""
    body = MultipartBody.of(parts)
    syntax = f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    content_type = f'{MULTIPART}; type="{media_type}"{syntax}; boundary={body.boundary}'
    headers = {} if body.length is None else {"Content-Length": str(body.length)}
    return StreamingHttpResponse(body, content_type=content_type, headers=headers)


def single(request: HttpRequest, part: OutgoingPart, *, etag: str) -> HttpResponseBase:
    """`part` alone, or the range of it that `request` asks for. Raises RangeNotSatisfiable, MadePart's errors."""
    if not isinstance(part, FilePart):
        return HttpResponse(b"".join(part.chunks()), content_type=part.content_type)
    if settings.OVERREAD_ACCEL_PREFIX and part.offset == 0 and part.length == part.path.stat().st_size:
        return by_nginx(part.path, content_type=part.content_type)
    span = ranges.asked(request, size=part.length, etag=etag)
    offset, length = (part.offset + span.start, span.length) if span else (part.offset, part.length)
    response = FileResponse(_FileRange(part.path, offset=offset, length=length), content_type=part.content_type)
    response["Accept-Ranges"] = "bytes"
    if span:
        response.status_code = 206
        response["Content-Range"] = span.content_range
    return response


def packed_file(path: Path, *, content_type: str) -> HttpResponseBase:
    """A gzipped file, to be unpacked by the client. Raises FileNotFoundError."""
    if settings.OVERREAD_ACCEL_PREFIX and path.is_file():
        # NGINX drops Content-Encoding from what it is told: its gzip_static finds the packed file by the plain name.
        return by_nginx(path.with_suffix(""), content_type=content_type, folder="packed")
    return FileResponse(path.open("rb"), content_type=content_type, headers={"Content-Encoding": "gzip"})


def by_nginx(path: Path, *, content_type: str, folder: str = "whole") -> HttpResponse:
    """Have NGINX send `path`, ranges of it included, from its internal location `folder` of the prefix."""
    inside = quote(path.relative_to(settings.OVERREAD_STORE).as_posix())
    target = f"{settings.OVERREAD_ACCEL_PREFIX.rstrip('/')}/{folder}/{inside}"
    return HttpResponse(content_type=content_type, headers={"X-Accel-Redirect": target})


def takes_gzip(request: HttpRequest) -> bool:
    """RFC 9110 12.5.3; `gzip;q=0` is a refusal."""
    accepted = request.headers.get("Accept-Encoding", "")
    return re.search(r"(?i)(?:^|,)\s*gzip\s*(?:,|$|;\s*q=(?!0(?:\.0*)?\s*(?:,|$)))", accepted) is not None


def packed_json(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """`response`, gzipped where it is JSON of some size that is not packed yet and the client takes that."""
    if not isinstance(response, HttpResponse) or "json" not in response.headers.get("Content-Type", ""):
        return response
    patch_vary_headers(response, ["Accept-Encoding"])
    if len(response.content) < _WORTH_PACKING or response.has_header("Content-Encoding") or not takes_gzip(request):
        return response
    response.content = gzip.compress(response.content, compresslevel=1, mtime=0)
    response["Content-Encoding"] = "gzip"
    response["Content-Length"] = str(len(response.content))
    return response


def not_modified(request: HttpRequest, etag: str) -> HttpResponseBase | None:
    """304 when `request` says that it has what `etag` names."""
    return get_conditional_response(request, etag=etag)


def kept(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    """Let the browser keep `response`, of an instance that never changes, under `etag`."""
    response["ETag"] = etag
    response["Cache-Control"] = KEPT_BY_BROWSERS
    return response


def asked_every_time(response: HttpResponseBase) -> HttpResponseBase:
    """Have the browser ask again each time: a later instance may change the answer."""
    response["Cache-Control"] = ASKED_EVERY_TIME
    return response
