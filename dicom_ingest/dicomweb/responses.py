"""The responses of WADO-RS: bodies from files, and how long browsers may keep them."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from dicom_ingest.dicomweb.multipart import MultipartBody, OutgoingPart
from dicom_ingest.dicomweb.negotiation import MULTIPART

# An instance never changes, but who may see it does, and workstations are shared: an hour, not for ever.
KEPT_BY_BROWSERS = "private, max-age=3600"
ASKED_EVERY_TIME = "private, no-cache"


def multipart(parts: Sequence[OutgoingPart], media_type: str, *, transfer_syntax: str = "") -> StreamingHttpResponse:
    """`parts` as multipart/related, streamed file by file."""
    body = MultipartBody.of(parts)
    syntax = f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    content_type = f'{MULTIPART}; type="{media_type}"{syntax}; boundary={body.boundary}'
    return StreamingHttpResponse(body, content_type=content_type, headers={"Content-Length": str(len(body))})


def single(part: OutgoingPart) -> StreamingHttpResponse:
    """`part` alone, streamed."""
    headers = {"Content-Length": str(part.length)}
    return StreamingHttpResponse(part.chunks(), content_type=part.content_type, headers=headers)


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
