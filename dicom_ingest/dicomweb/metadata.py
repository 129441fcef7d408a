"""WADO-RS metadata (PS3.18 10.4): sent from what was written at index time, without reading DICOM.

A quiet series has its metadata in one gzipped file; one that instances still join is put together from their headers.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from dicom_ingest import store
from dicom_ingest.dicomweb.negotiation import json_type
from dicom_ingest.dicomweb.responses import asked_every_time, not_modified, packed_file, takes_gzip
from dicom_ingest.dicomweb.scope import Scope, Target
from dicom_ingest.dicomweb.stored import content_of
from dicom_ingest.models import Series


def retrieve_study_metadata(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/metadata`: of the series that are not superseded."""
    listed = scope.listed.filter(exam=scope.find_exam(target)).select_related("exam")
    return _answer(request, _joined(list(listed)))


def retrieve_series_metadata(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/metadata`: a file send once the series is quiet."""
    scope.check_series(target)
    content_type = json_type(request)
    if not takes_gzip(request):
        return _answer(request, [_of_series(scope.find_series(target))])
    path = store.metadata_path(target.study, target.series)
    try:
        etag = _etag(path)
        response = not_modified(request, etag) or packed_file(path, content_type=content_type)
    except FileNotFoundError:  # instances still join this series
        return _answer(request, _array(_headers(scope.find_series(target))))
    patch_vary_headers(response, ["Accept-Encoding"])
    response["ETag"] = etag
    return asked_every_time(response)


def retrieve_instance_metadata(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}/metadata`"""
    found = scope.find_instance(target)
    return _answer(request, _array([content_of(found.header)]))


def _answer(request: HttpRequest, chunks: Iterable[bytes]) -> HttpResponseBase:
    """The JSON under an ETag of what it says, so that a client that has it is spared the bytes."""
    content = b"".join(chunks)
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    response = not_modified(request, etag) or HttpResponse(content, content_type=json_type(request))
    response["ETag"] = etag
    return asked_every_time(response)


def _etag(path: Path) -> str:
    """Of a file that is only ever replaced as a whole."""
    state = path.stat()
    return f'"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}-gzip"'


def _joined(found: Sequence[Series]) -> Iterator[bytes]:
    """One JSON array of the metadata of several series, a series at a time."""
    return _array(inside for series in found if (inside := _of_series(series).strip()[1:-1]))


def _of_series(series: Series) -> bytes:
    path = store.metadata_path(series.exam.study_instance_uid, series.series_instance_uid)
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError:  # instances still join this series
        return b"".join(_array(_headers(series)))


def _headers(series: Series) -> Iterator[bytes]:
    exam = series.exam.study_instance_uid
    for sop in series.instances.order_by("instance_number", "pk").values_list("sop_instance_uid", flat=True):
        yield content_of(store.header_path(exam, series.series_instance_uid, sop))


def _array(objects: Iterable[bytes]) -> Iterator[bytes]:
    """A JSON array of `objects`, each already JSON."""
    yield b"["
    for position, each in enumerate(objects):
        if position:
            yield b","
        yield each
    yield b"]"
