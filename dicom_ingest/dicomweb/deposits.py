"""STOW-RS of one object that a person made in the viewer: taken whole, and answered in the names it was sent under.

Viewers take every 2xx but 201 for success, so the answer is 200 when it is kept and 4xx when it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from django.http import HttpRequest, JsonResponse
from pydicom import Dataset, dcmread

from dicom_ingest import room
from dicom_ingest.dicomweb.dicomjson import dataset
from dicom_ingest.dicomweb.multipart import MalformedMultipart, Part, PartTooLarge, read_parts
from dicom_ingest.dicomweb.negotiation import DICOM, json_type, parse_media_type
from dicom_ingest.dicomweb.refusals import BadRequest, NoRoom, NotTaken, TooLarge, UnsupportedMediaType
from dicom_ingest.dicomweb.storing import Claims
from dicom_ingest.dicomweb.stow import body_of, boundary_of, reference

LARGEST = 256 << 20
"""Bytes of one object: it is held in memory."""
OPENED = "X-Overread-Opened"
"""The header in which the portal's page says when the editor was opened."""


@dataclass(frozen=True)
class Deposit:
    """One object as it was sent, and the same bytes read. opened: what the page knows of the editor's opening."""

    dataset: Dataset
    original: bytes
    opened: str = ""


def take(request: HttpRequest, keep: Callable[[Deposit], None]) -> JsonResponse:
    """Read the one object of the request, have it kept, and say so. Raises Refusal, also what `keep` raises of it."""
    if not room.has_room():
        raise NoRoom(room.lack_of_room())
    content_type, original = json_type(request), _one_object(request)
    sent = _read(original)
    claims = Claims(sop_class=str(sent.get("SOPClassUID", "")), sop=str(sent.get("SOPInstanceUID", "")))
    try:
        keep(Deposit(sent, original, request.headers.get(OPENED, "")))
    except OSError as fault:
        raise NoRoom(f"It could not be kept ({fault.strerror}). Nothing was saved; save it again later.") from fault
    report = dataset(ReferencedSOPSequence=[reference(claims)])
    return JsonResponse(report, content_type=content_type, headers={"Cache-Control": "private, no-store"})


def _one_object(request: HttpRequest) -> bytes:
    objects = []
    try:
        for part in read_parts(body_of(request), boundary_of(request), largest_part=LARGEST):
            objects.append(_content(part))
            if len(objects) > 1:
                raise BadRequest("One object at a time is taken here. Nothing was saved; save them one by one.")
    except PartTooLarge as fault:
        raise TooLarge(
            f"It has more than {LARGEST >> 20} MiB. Nothing was saved; draw on a series with fewer slices."
        ) from fault
    except MalformedMultipart as fault:
        raise BadRequest(f"{fault} It did not arrive whole, and nothing was saved. Save it again.") from fault
    if not objects:
        raise BadRequest("The message has no parts. Nothing was saved; save it again.")
    return objects[0]


def _content(part: Part) -> bytes:
    kind = parse_media_type(part.headers.get("content-type", DICOM))
    if kind is None or kind.name != DICOM:
        raise UnsupportedMediaType(f"It is not of type {DICOM}. Nothing was saved.")
    return b"".join(part.chunks)


def _read(original: bytes) -> Dataset:
    try:
        return dcmread(BytesIO(original))
    except Exception as fault:
        raise NotTaken(
            f"It does not read as a DICOM object ({type(fault).__name__}). Nothing was saved; save it again."
        ) from fault
