"""WADO-RS: retrieve whole instances and frames within a scope (PS3.18 10.4).

Nothing is decoded here: an instance is a file, as received, and a frame is a range of its bytes. Only frames of single
bits that share a byte with their neighbour (segmentations of an odd size) are moved to begin on a byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from dicom_ingest.dicomweb.multipart import BytesPart, FilePart, OutgoingPart
from dicom_ingest.dicomweb.negotiation import DICOM, Representation, accepted_by, choose_frames, choose_instances
from dicom_ingest.dicomweb.refusals import BadRequest, NoSuchFrame, NotThere
from dicom_ingest.dicomweb.responses import asked_every_time, kept, multipart, not_modified, single
from dicom_ingest.dicomweb.scope import Scope, Target
from dicom_ingest.dicomweb.stored import GoneFromStore, instance_file, size_of
from dicom_ingest.models import Instance

MOST_FRAMES = 10_000


def retrieve_study(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}`: every instance of the series that are not superseded."""
    listed = scope.listed.filter(exam=scope.find_exam(target))
    return _whole(request, Instance.objects.filter(series__in=listed.values("pk")))


def retrieve_series(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}`"""
    return _whole(request, Instance.objects.filter(series=scope.find_series(target)))


def retrieve_instance(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}`"""
    found = scope.find_instance(target)
    wrapped = choose_instances(accepted_by(request), stored=[found.transfer_syntax_uid], count=1)
    etag = f'"{found.sha256}-{"multipart" if wrapped else "single"}"'
    response = not_modified(request, etag)
    if response is None:
        part = _file(found)
        response = multipart([part], DICOM) if wrapped else single(part)
    return kept(response, etag)


def retrieve_frames(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}/frames/{frames}`: numbers from 1, with commas between."""
    numbers = _numbers(target.frames)
    found = scope.find_instance(target)
    _check(numbers, found)
    chosen = choose_frames(accepted_by(request), stored=found.transfer_syntax_uid, count=len(numbers))
    etag = f'"{found.sha256}-{target.frames}-{chosen.media_type}-{"multipart" if chosen.multipart else "single"}"'
    return kept(not_modified(request, etag) or _frames(found, numbers, chosen), etag)


def _whole(request: HttpRequest, instances: QuerySet[Instance]) -> HttpResponseBase:
    in_order = instances.order_by("series__series_number", "series_id", "instance_number", "pk")
    found = list(in_order.select_related("series__exam").defer("frames"))
    if not found:
        raise NotThere
    stored = {instance.transfer_syntax_uid for instance in found}
    wrapped = choose_instances(accepted_by(request), stored=stored, count=len(found))
    parts = [_file(instance) for instance in found]
    return asked_every_time(multipart(parts, DICOM) if wrapped else single(parts[0]))


def _file(instance: Instance) -> FilePart:
    path = instance_file(instance)
    content_type = f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
    return FilePart(content_type=content_type, path=path, offset=0, length=size_of(path))


def _frames(instance: Instance, numbers: Sequence[int], chosen: Representation) -> HttpResponseBase:
    path = instance_file(instance)
    ranges = [instance.frames[number - 1] for number in numbers]
    if size_of(path) < max(offset + length for offset, length, *_ in ranges):
        raise GoneFromStore(f"{path.name} is shorter than when indexed. Have the operator restore it from backup.")
    pixels = (instance.rows or 0) * (instance.columns or 0)
    parts = [_frame(path, one, pixels=pixels, content_type=chosen.content_type) for one in ranges]
    if chosen.multipart:
        return multipart(parts, chosen.media_type, transfer_syntax=chosen.transfer_syntax)
    return single(parts[0])


def _frame(path: Path, found: Sequence[int], *, pixels: int, content_type: str) -> OutgoingPart:
    offset, length, *first_bit = found
    part = FilePart(content_type=content_type, path=path, offset=offset, length=length)
    if not first_bit:
        return part
    content = _byte_aligned(b"".join(part.chunks()), first_bit=first_bit[0], bits=pixels)
    return BytesPart(content_type=content_type, content=content)


def _byte_aligned(packed: bytes, *, first_bit: int, bits: int) -> bytes:
    """`bits` bits from `first_bit` on, moved to begin on a byte. The lowest bit of a byte comes first (PS3.5, 8.2)."""
    unpacked = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    return np.packbits(unpacked[first_bit : first_bit + bits], bitorder="little").tobytes()


def _numbers(text: str) -> list[int]:
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise BadRequest("Frames are asked for by whole numbers from 1, with commas between them, such as /frames/1,2.")
    numbers = [int(number) for number in text.split(",")]
    if len(numbers) > MOST_FRAMES:
        raise BadRequest(f"{len(numbers)} frames in one request; at most {MOST_FRAMES} are sent at once.")
    return numbers


def _check(numbers: Sequence[int], instance: Instance) -> None:
    if not instance.frames:
        raise NoSuchFrame("This instance has no frames that can be sent one by one. Retrieve it whole.")
    absent = [number for number in numbers if not 1 <= number <= len(instance.frames)]
    if absent:
        raise NoSuchFrame(f"This instance has frames 1 to {len(instance.frames)}; {absent[0]} is not among them.")
