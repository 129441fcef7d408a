"""WADO-RS over one read: metadata that were made ahead, ranges of pixels, and files and pictures made of both.

Errors of this server are answered without their sentence: it may name a file, and so an original UID.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from dicom_ingest.dicomweb import rendered, wado
from dicom_ingest.dicomweb.negotiation import json_type
from dicom_ingest.dicomweb.refusals import NoSuchFrame, NotThere, Refusal
from dicom_ingest.dicomweb.responses import asked_every_time, not_modified
from dicom_ingest.dicomweb.scope import Target
from dicom_ingest.dicomweb.stored import content_of
from studies.blinding.access import ReadScope, WholeInstances
from studies.blinding.grids import value
from studies.blinding.manifest import ShownSeries

log = logging.getLogger(__name__)
Retrieve = Callable[[HttpRequest, ReadScope, Target], HttpResponseBase]


class OutOfOrder(Refusal):
    """A fault of this server."""

    status = 500

    def __init__(self) -> None:
        super().__init__("The portal failed to hand this over. Tell its operator when it was.")


def _quietly(retrieve: Retrieve) -> Retrieve:
    """`retrieve`, whose faults name nothing that is stored."""

    def quiet(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
        try:
            return retrieve(request, scope, target)
        except Refusal as refusal:
            if refusal.status < 500:
                raise
            log.exception("What a read shows could not be handed over.")
            raise OutOfOrder from None
        except FileNotFoundError:
            log.exception("What a read shows is gone from the store.")
            raise OutOfOrder from None

    return quiet


@_quietly
def study_metadata(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/metadata`"""
    exam = scope.read.exam(target.study)
    if exam is None:
        raise NotThere
    inside = (_metadata(scope, series).strip()[1:-1] for series in exam.series)
    return _json(request, b"[" + b",".join(inside) + b"]")


@_quietly
def series_metadata(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/metadata`"""
    return _json(request, _metadata(scope, scope.find_series(target)))


@_quietly
def instance_metadata(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}/metadata`"""
    series, instance = scope.find_series(target), scope.find(target)
    headers = json.loads(_metadata(scope, series))
    chosen = [header for header in headers if value(header, "SOPInstanceUID") == instance.sop]
    return _json(request, json.dumps(chosen, separators=(",", ":")).encode())


@_quietly
def instance(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}`"""
    return wado.retrieve_instance(request, WholeInstances(scope), target)


@_quietly
def frames(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}/frames/{frames}`"""
    return wado.retrieve_frames(request, scope, target)


@_quietly
def study_picture(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/rendered` and `/thumbnail`: of the series with most images."""
    exam = scope.read.exam(target.study)
    if exam is None:
        raise NotThere
    pictured = max(exam.series, key=lambda series: (len(series.instances), series.uid))
    return asked_every_time(_middle(request, scope, replace(target, series=pictured.uid), pictured))


@_quietly
def series_picture(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/rendered` and `/thumbnail`: of its middle image."""
    return asked_every_time(_middle(request, scope, target, scope.find_series(target)))


@_quietly
def instance_picture(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`.../instances/{instance}/rendered` and `/thumbnail`"""
    return rendered.render_instance(request, WholeInstances(scope), target)


@_quietly
def frames_picture(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """`.../instances/{instance}/frames/{frames}/rendered` and `/thumbnail`"""
    return rendered.render_frames(request, WholeInstances(scope), target)


def nothing(request: HttpRequest, scope: ReadScope, target: Target) -> HttpResponseBase:
    """Whatever a read does not offer, answered as what is not there."""
    raise NotThere


def _middle(request: HttpRequest, scope: ReadScope, target: Target, series: ShownSeries) -> HttpResponseBase:
    images = [one for one in series.instances if one.rows]
    if not images:
        raise NoSuchFrame("This series holds no image that can be rendered.")
    chosen = replace(target, instance=images[len(images) // 2].sop)
    return rendered.render_instance(request, WholeInstances(scope), chosen)


def _metadata(scope: ReadScope, series: ShownSeries) -> bytes:
    return gzip.decompress(content_of(scope.read.metadata(series)))


def _json(request: HttpRequest, content: bytes) -> HttpResponseBase:
    """The JSON under an ETag of what it says, which says nothing that is not in it."""
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    response = not_modified(request, etag) or HttpResponse(content, content_type=json_type(request))
    response["ETag"] = etag
    return asked_every_time(response)
