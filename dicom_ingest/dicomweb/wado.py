"""WADO-RS: retrieve whole instances and frames within a scope (PS3.18 10.4).

What a client takes as it is stored is not decoded: an instance is a file, as received, and a frame is a range of its
bytes. Only frames of single bits that share a byte with their neighbour (segmentations of an odd size) are moved to
begin on a byte, and what is asked for in another transfer syntax is converted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from dicom_ingest.dicomweb import codecs
from dicom_ingest.dicomweb.multipart import BytesPart, FilePart, JoinedPart, MadePart, OutgoingPart
from dicom_ingest.dicomweb.negotiation import (
    DICOM,
    EXPLICIT_LITTLE_ENDIAN,
    Representation,
    accepted_by,
    choose_frames,
    choose_instances,
)
from dicom_ingest.dicomweb.refusals import BadRequest, NoSuchFrame, NotThere
from dicom_ingest.dicomweb.responses import asked_every_time, kept, multipart, not_modified, single
from dicom_ingest.dicomweb.scope import FindsInstances, Scope, Target
from dicom_ingest.dicomweb.stored import GoneFromStore, StoredInstance, described, size_of
from dicom_ingest.models import Instance

MOST_FRAMES = 10_000


def retrieve_study(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}`: every instance of the series that are not superseded."""
    listed = scope.listed.filter(exam=scope.find_exam(target))
    return _whole(request, Instance.objects.filter(series__in=listed.values("pk")))


def retrieve_series(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}`"""
    return _whole(request, Instance.objects.filter(series=scope.find_series(target)))


def retrieve_instance(request: HttpRequest, scope: FindsInstances, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}`"""
    found = scope.find_instance(target)
    chosen = choose_instances(accepted_by(request), stored=[found.transfer_syntax_uid], count=1)
    wrapping = "multipart" if chosen.multipart else "single"
    etag = f'"{found.sha256}-{chosen.transfer_syntax or "stored"}-{wrapping}"'
    response = not_modified(request, etag)
    if response is None:
        part = _file(found, chosen.transfer_syntax)
        if isinstance(part, MadePart):
            part = BytesPart(content_type=part.content_type, content=part.make())
        response = multipart([part], DICOM) if chosen.multipart else single(request, part, etag=etag)
    return kept(response, etag)


def retrieve_frames(request: HttpRequest, scope: FindsInstances, target: Target) -> HttpResponseBase:
    """`/studies/{study}/series/{series}/instances/{instance}/frames/{frames}`: numbers from 1, with commas between."""
    numbers = numbers_of(target.frames)
    found = scope.find_instance(target)
    check_frames(numbers, found)
    chosen = choose_frames(
        accepted_by(request), stored=found.transfer_syntax_uid, count=len(numbers), has_ranges=bool(found.frames)
    )
    wrapping = "multipart" if chosen.multipart else "single"
    etag = f'"{found.sha256}-{target.frames}-{chosen.media_type}-{chosen.transfer_syntax}-{wrapping}"'
    return kept(not_modified(request, etag) or _frames(request, found, numbers, chosen, etag=etag), etag)


def numbers_of(text: str) -> list[int]:
    """The frame numbers in a URL. Raises BadRequest."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise BadRequest("Frames are asked for by whole numbers from 1, with commas between them, such as /frames/1,2.")
    numbers = [int(number) for number in text.split(",")]
    if len(numbers) > MOST_FRAMES:
        raise BadRequest(f"{len(numbers)} frames in one request; at most {MOST_FRAMES} are sent at once.")
    return numbers


def check_frames(numbers: Sequence[int], instance: StoredInstance) -> None:
    """Whether the instance has these frames. Raises NoSuchFrame."""
    if not instance.rows or not (instance.frames or codecs.is_decodable(instance.transfer_syntax_uid)):
        raise NoSuchFrame("This instance has no frames that can be sent one by one. Retrieve it whole.")
    count = len(instance.frames) or instance.number_of_frames
    absent = [number for number in numbers if not 1 <= number <= count]
    if absent:
        raise NoSuchFrame(f"This instance has frames 1 to {count}; {absent[0]} is not among them.")


def _whole(request: HttpRequest, instances: QuerySet[Instance]) -> HttpResponseBase:
    in_order = instances.order_by("series__series_number", "series_id", "instance_number", "pk")
    found = described(in_order, with_frames=False)
    if not found:
        raise NotThere
    stored = {instance.transfer_syntax_uid for instance in found}
    chosen = choose_instances(accepted_by(request), stored=stored, count=len(found))
    parts = [_file(instance, chosen.transfer_syntax) for instance in found]
    return asked_every_time(multipart(parts, DICOM) if chosen.multipart else single(request, parts[0], etag=""))


def _file(instance: StoredInstance, syntax: str) -> OutgoingPart:
    """The whole instance in `syntax`, as received where that is "" or the stored one."""
    size = size_of(instance.path)
    if syntax in ("", instance.transfer_syntax_uid):
        content_type = f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
        return FilePart(content_type=content_type, path=instance.path, offset=0, length=size)
    into = syntax if instance.rows else EXPLICIT_LITTLE_ENDIAN  # without pixels there is nothing to compress
    return MadePart(
        content_type=f"{DICOM}; transfer-syntax={into}", make=partial(codecs.converted_file, instance, into)
    )


def _frames(
    request: HttpRequest, instance: StoredInstance, numbers: Sequence[int], chosen: Representation, *, etag: str
) -> HttpResponseBase:
    parts = _converted(instance, numbers, chosen) if chosen.converted else _as_stored(instance, numbers, chosen)
    if chosen.multipart:
        return multipart(parts, chosen.media_type, transfer_syntax=chosen.transfer_syntax)
    return single(request, parts[0], etag=etag)


def _as_stored(instance: StoredInstance, numbers: Sequence[int], chosen: Representation) -> list[OutgoingPart]:
    entries = [instance.frames[number - 1] for number in numbers]
    if size_of(instance.path) < max(offset + length for entry in entries for offset, length in _pieces(entry)):
        raise GoneFromStore(
            f"{instance.path.name} is shorter than when indexed. Have the operator restore it from backup."
        )
    return [_frame(instance, entry, content_type=chosen.content_type) for entry in entries]


def _pieces(entry: Sequence[Any]) -> list[list[int]]:
    """Offset and length of each range of a frame; see ByteRange.column for what `entry` holds."""
    return list(entry) if isinstance(entry[0], list) else [list(entry[:2])]


def _frame(instance: StoredInstance, entry: Sequence[Any], *, content_type: str) -> OutgoingPart:
    files = [
        FilePart(content_type=content_type, path=instance.path, offset=offset, length=length)
        for offset, length in _pieces(entry)
    ]
    if len(files) > 1:
        return JoinedPart(pieces=files)
    first_bit = entry[2:]
    return _byte_aligned(files[0], first_bit=first_bit[0], instance=instance) if first_bit else files[0]


def _byte_aligned(part: FilePart, *, first_bit: int, instance: StoredInstance) -> BytesPart:
    """The bits of a frame, moved to begin on a byte. The lowest bit of a byte comes first (PS3.5, 8.2)."""
    packed = np.frombuffer(b"".join(part.chunks()), np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first_bit : first_bit + instance.rows * instance.columns]
    return BytesPart(content_type=part.content_type, content=np.packbits(bits, bitorder="little").tobytes())


def _converted(instance: StoredInstance, numbers: Sequence[int], chosen: Representation) -> list[OutgoingPart]:
    """Frames in another transfer syntax: the first at once, so that what cannot be converted is refused in words."""
    size_of(instance.path)
    first, *others = [partial(_convert, instance, number, chosen.transfer_syntax) for number in numbers]
    return [
        BytesPart(content_type=chosen.content_type, content=first()),
        *(MadePart(content_type=chosen.content_type, make=make) for make in others),
    ]


def _convert(instance: StoredInstance, number: int, syntax: str) -> bytes:
    if syntax == EXPLICIT_LITTLE_ENDIAN:
        return codecs.native_frame(instance, number)
    return codecs.encoded_frame(instance, number, syntax)
