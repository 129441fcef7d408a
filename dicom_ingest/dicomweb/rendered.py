"""Rendered resources and thumbnails (PS3.18 10.4.1.1.3 and 10.4.1.1.5): single pictures, PNG or JPEG.

An exam or a series shows one picture that stands for it: of its series with most images, and of the middle image. A
video or an animation is not offered.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from dicom_ingest.dicomweb import codecs, decisions
from dicom_ingest.dicomweb.multipart import BytesPart
from dicom_ingest.dicomweb.negotiation import accepted_by, choose_image
from dicom_ingest.dicomweb.refusals import BadRequest, NoSuchFrame
from dicom_ingest.dicomweb.rendering import (
    DEFAULT_QUALITY,
    FUNCTIONS,
    JPEG,
    PNG,
    Rendering,
    Viewport,
    Window,
    is_usable,
    rendered,
)
from dicom_ingest.dicomweb.responses import asked_every_time, kept, multipart, not_modified, single
from dicom_ingest.dicomweb.scope import FindsInstances, Scope, Target
from dicom_ingest.dicomweb.stored import StoredInstance, described, size_of
from dicom_ingest.dicomweb.wado import check_frames, numbers_of
from dicom_ingest.models import Instance

THUMBNAIL = Viewport(width=128, height=128)
LARGEST_VIEWPORT = 8192  # pixels a side
MOST_RENDERED = 50  # frames in one request
_KEPT_SECONDS = 600
_LARGEST_KEPT = 256 << 10

_NUMBER = r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?"


def render_study(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/rendered` and `/thumbnail`: the picture that stands for the exam."""
    listed = scope.listed.filter(exam=scope.find_exam(target), instances__rows__gt=0)
    series = listed.annotate(images=Count("instances")).order_by("-images", "series_number", "pk").first()
    if series is None:
        raise NoSuchFrame("This study holds no image that can be rendered.")
    return asked_every_time(_middle(request, replace(target, series=series.series_instance_uid), scope))


def render_series(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/rendered` and `/thumbnail`: its middle image."""
    return asked_every_time(_middle(request, target, scope))


def render_instance(request: HttpRequest, scope: FindsInstances, target: Target) -> HttpResponseBase:
    """`.../instances/{instance}/rendered` and `/thumbnail`: its middle frame."""
    found = scope.find_instance(target)
    return _pictures(request, found, [(found.number_of_frames + 1) // 2])


def render_frames(request: HttpRequest, scope: FindsInstances, target: Target) -> HttpResponseBase:
    """`.../instances/{instance}/frames/{frames}/rendered` and `/thumbnail`"""
    numbers = numbers_of(target.frames)
    if len(numbers) > MOST_RENDERED:
        raise BadRequest(f"{len(numbers)} frames in one request; at most {MOST_RENDERED} are rendered at once.")
    return _pictures(request, scope.find_instance(target), numbers)


def asked_rendering(request: HttpRequest) -> Rendering:
    """The query parameters `window`, `viewport` and `quality`. Raises BadRequest with the form they have to have."""
    wanted = Rendering(window=_window(request), viewport=_viewport(request), quality=_quality(request))
    if wanted.viewport is None and request.path.endswith("/thumbnail"):
        return replace(wanted, viewport=THUMBNAIL)
    return wanted


def _middle(request: HttpRequest, target: Target, scope: Scope) -> HttpResponseBase:
    images = Instance.objects.filter(series=scope.find_series(target), rows__gt=0).order_by("instance_number", "pk")
    count = images.count()
    found = described(images[count // 2 : count // 2 + 1]) if count else []
    if not found:
        raise NoSuchFrame("This series holds no image that can be rendered.")
    return _pictures(request, found[0], [(found[0].number_of_frames + 1) // 2])


def _pictures(request: HttpRequest, instance: StoredInstance, numbers: list[int]) -> HttpResponseBase:
    if not instance.rows or not codecs.is_decodable(instance.transfer_syntax_uid):
        raise NoSuchFrame("This instance has no pixels that can be rendered. Retrieve it whole.")
    check_frames(numbers, instance)
    chosen = choose_image(accepted_by(request), offered=(JPEG, PNG), count=len(numbers))
    wanted = replace(asked_rendering(request), media_type=chosen.media_type)
    told = hashlib.sha256(f"{instance.sha256} {numbers} {wanted} {chosen.multipart}".encode()).hexdigest()
    response = not_modified(request, f'"{told}"')
    if response is None:
        size_of(instance.path)
        pictures = [_picture(instance, number, wanted) for number in numbers]
        parts = [BytesPart(content_type=wanted.media_type, content=picture) for picture in pictures]
        response = (
            multipart(parts, wanted.media_type) if chosen.multipart else single(request, parts[0], etag=f'"{told}"')
        )
    return kept(response, f'"{told}"')


def _picture(instance: StoredInstance, number: int, wanted: Rendering) -> bytes:
    """One picture, small ones kept for a while: an exam's page asks for the same thumbnails again."""
    remembered = decisions.key("picture", instance.sha256, number, wanted)
    known: bytes | None = decisions.recall_shared(remembered).get(remembered)
    if known is not None:
        return known
    made = codecs.with_pixels(instance, number, lambda pixels, header: rendered(pixels, header, wanted))
    if len(made) <= _LARGEST_KEPT:
        decisions.keep({remembered: made}, seconds=_KEPT_SECONDS)
    return made


def _window(request: HttpRequest) -> Window | None:
    text = request.GET.get("window")
    if text is None:
        return None
    found = re.fullmatch(rf"({_NUMBER}),({_NUMBER}),({'|'.join(FUNCTIONS)})", text)
    if found is None or not is_usable(float(found[2]), found[3]):
        raise BadRequest(
            f"window is centre, width and function ({', '.join(FUNCTIONS)}), such as window=40,400,linear; "
            "the width of a linear window is at least 1."
        )
    return Window(center=float(found[1]), width=float(found[2]), function=found[3])


def _viewport(request: HttpRequest) -> Viewport | None:
    text = request.GET.get("viewport")
    if text is None:
        return None
    found = re.fullmatch(rf"([0-9]{{1,5}}),([0-9]{{1,5}})((?:,(?:{_NUMBER})?){{0,4}})", text)
    if found is None or not all(0 < int(side) <= LARGEST_VIEWPORT for side in found.group(1, 2)):
        raise BadRequest(
            f"viewport is width and height (1 to {LARGEST_VIEWPORT}), and after them, if need be, x, y, width and "
            "height of the region of the image, such as viewport=512,512 or viewport=512,512,0,0,100,100."
        )
    region = [float(part or 0) for part in found[3].split(",")[1:]]
    x, y, columns, rows = [*region, 0.0, 0.0, 0.0, 0.0][:4]
    return Viewport(width=int(found[1]), height=int(found[2]), x=x, y=y, columns=columns, rows=rows)


def _quality(request: HttpRequest) -> int:
    text = request.GET.get("quality")
    if text is None:
        return DEFAULT_QUALITY
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise BadRequest("quality is a whole number from 1 to 100.")
    return int(text)
