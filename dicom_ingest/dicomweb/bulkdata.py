"""Bulk data (PS3.18 10.4.1.1.2): the large values that metadata name by a BulkDataURI.

A value that the dataset itself holds is a range of its file, and sent as such; one in an item of a sequence is read.
"""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from dicom_ingest import spool
from dicom_ingest.dicomweb.multipart import BytesPart, FilePart, OutgoingPart
from dicom_ingest.dicomweb.negotiation import OCTETS, accepted_by
from dicom_ingest.dicomweb.refusals import NotAcceptable, NotThere
from dicom_ingest.dicomweb.responses import kept, multipart, not_modified, single
from dicom_ingest.dicomweb.scope import Scope, Target
from dicom_ingest.dicomweb.stored import StoredInstance, size_of
from dicom_ingest.frames import UNDEFINED_LENGTH

_LONG = 4096  # bytes; longer values are left in the file
_TAG = r"[0-9A-F]{8}"
_PATH = re.compile(rf"({_TAG})(?:\.([0-9]{{1,6}})\.({_TAG}))*")


def retrieve_bulkdata(request: HttpRequest, scope: Scope, target: Target) -> HttpResponseBase:
    """`.../instances/{instance}/bulkdata/{path}`: a tag, or tags of sequences with item numbers from 1 between them."""
    found = scope.find_instance(target)
    path = target.bulkdata.upper()
    if not _PATH.fullmatch(path):
        raise NotThere
    wrapped = _is_wrapped(request)
    etag = f'"{found.sha256}-{path}-{"multipart" if wrapped else "single"}"'
    response = not_modified(request, etag)
    if response is None:
        part = _value(found, path)
        response = multipart([part], OCTETS) if wrapped else single(request, part, etag=etag)
    return kept(response, etag)


def _is_wrapped(request: HttpRequest) -> bool:
    """Whether the client wants a multipart; one that takes anything gets a single part. Raises NotAcceptable."""
    for wanted in accepted_by(request):
        if wanted.covers(OCTETS):
            return wanted.is_multipart
    raise NotAcceptable(f"Bulk data are to be had as {OCTETS}, alone or in multipart/related.")


def _value(instance: StoredInstance, path: str) -> OutgoingPart:
    size_of(instance.path)
    first, *inner = path.split(".")
    tag = BaseTag(int(first, 16))
    if not inner and (raw := _in_file(instance, tag)):
        return FilePart(content_type=OCTETS, path=instance.path, offset=raw.value_tell, length=raw.length)
    dataset = dcmread(instance.path, stop_before_pixels=True, specific_tags=[tag])
    return BytesPart(content_type=OCTETS, content=_read(dataset, tag, inner))


def _in_file(instance: StoredInstance, tag: BaseTag) -> RawDataElement | None:
    """The element where its value is a range of the file, found without reading that."""
    syntax = UID(instance.transfer_syntax_uid)
    if syntax == DeflatedExplicitVRLittleEndian or syntax.is_private:
        return None
    with instance.path.open("rb") as file:
        spool.read_meta(file)
        elements = data_element_generator(
            file,
            is_implicit_VR=syntax.is_implicit_VR,
            is_little_endian=syntax.is_little_endian,
            stop_when=lambda found, _vr, _length: found > tag,
            defer_size=_LONG,
            specific_tags=[tag],
        )
        raw = next((element for element in elements if element.tag == tag), None)
    return raw if isinstance(raw, RawDataElement) and raw.length != UNDEFINED_LENGTH and raw.VR != "SQ" else None


def _read(dataset: Dataset, tag: int, inner: list[str]) -> bytes:
    """The value at the end of a path. Raises NotThere, also for what holds no bytes."""
    try:
        for number, within in zip(inner[::2], inner[1::2], strict=True):
            items = dataset[tag].value
            dataset, tag = items[range(1, len(items) + 1).index(int(number))], int(within, 16)
        value = dataset[tag].value
    except (KeyError, IndexError, TypeError, ValueError, BytesLengthException) as absent:
        raise NotThere from absent
    if not isinstance(value, bytes):
        raise NotThere
    return value
