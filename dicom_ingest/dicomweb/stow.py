"""STOW-RS: store instances (PS3.18 10.5). An instance is reported as stored only when its bytes are fsynced and filed.

Answers 200 when all instances are stored, 202 when only some are, and 409 when none is, so that a client that sends one
instance and takes any 2xx for success is never told so wrongly.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence

from django.http import HttpRequest, JsonResponse

from dicom_ingest import room
from dicom_ingest.dicomweb.access import root_url
from dicom_ingest.dicomweb.dicomjson import Element, dataset
from dicom_ingest.dicomweb.multipart import ByteStream, MalformedMultipart, Part, PartTooLarge, read_parts
from dicom_ingest.dicomweb.negotiation import DICOM, MULTIPART, json_type, parse_media_type
from dicom_ingest.dicomweb.refusals import BadRequest, Forbidden, LengthRequired, NoRoom, UnsupportedMediaType
from dicom_ingest.dicomweb.scope import Scope, Target
from dicom_ingest.dicomweb.storing import Claims, Failed, Failure, Stored, store
from dicom_ingest.store import MalformedUID, checked_uid
from portal.access import Capability, Viewer, holds
from portal.audit import trail
from portal.audit.actions import Action

LARGEST_INSTANCE = 4 << 30  # bytes
MOST_WARNINGS = 5

log = logging.getLogger(__name__)


def store_instances(request: HttpRequest, _scope: Scope, target: Target) -> JsonResponse:
    """`POST /studies` and `POST /studies/{study}`"""
    if not holds(request.user, Capability.SEND_EXAMS):
        raise Forbidden("No role of yours lets you send exams. Ask a coordinator to send them.")
    if not room.has_room():
        raise NoRoom(room.lack_of_room())
    content_type = json_type(request)
    outcomes = list(_outcomes(body_of(request), boundary_of(request), study=_study(target.study), sender=request.user))
    stored = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    _note(stored)
    log.info("STOW by user %s: %d instances stored, %d failed.", request.user.pk, len(stored), len(failed))
    return JsonResponse(
        _report(stored, failed, root=root_url(request)),
        status=200 if not failed else 202 if stored else 409,
        content_type=content_type,
        headers=_headers(failed, host=request.get_host()),
    )


def _note(stored: Sequence[Stored]) -> None:
    """What is stored for good already is put on record exam by exam."""
    for study, count in Counter(outcome.claims.study for outcome in stored).items():
        trail.record_on_exam(Action.INSTANCES_STORED, exam=study, detail={"instances": count})


def _study(study: str) -> str:
    try:
        return checked_uid(study) if study else ""
    except MalformedUID as malformed:
        raise BadRequest(f"The study in the URL: {malformed}") from malformed


def boundary_of(request: HttpRequest) -> str:
    """Between the parts of the body, as its header says. Raises UnsupportedMediaType and BadRequest."""
    sent = parse_media_type(request.headers.get("Content-Type", ""))
    if sent is None or sent.name != MULTIPART or sent.inner not in (DICOM, "*/*"):
        raise UnsupportedMediaType(f'Instances are taken as multipart/related; type="{DICOM}"; boundary=... only.')
    boundary = sent.parameters.get("boundary", "")
    if not boundary:
        raise BadRequest("The Content-Type header lacks the boundary of the parts.")
    return boundary


def body_of(request: HttpRequest) -> ByteStream:
    """The body as a stream, also when it comes in chunks, where the WSGI server can tell where those end."""
    if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        return request
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequired("This server has to know the length of the body: send it with Content-Length.")
    stream: ByteStream = request.META["wsgi.input"]
    return stream


def _outcomes(body: ByteStream, boundary: str, *, study: str, sender: Viewer) -> Iterator[Stored | Failed]:
    """What becomes of each part, in turn. Raises BadRequest when not one part can be read."""
    parts_read = 0
    try:
        for part in read_parts(body, boundary, largest_part=LARGEST_INSTANCE):
            parts_read += 1
            yield _outcome(part, study=study, sender=sender)
    except PartTooLarge as error:
        yield Failed(reason=Failure.OUT_OF_RESOURCES, sentence=f"{error} What came after was not read.")
        return
    except MalformedMultipart as error:
        if not parts_read:
            raise BadRequest(f"{error} Nothing was stored.") from error
        yield Failed(reason=Failure.NOT_UNDERSTOOD, sentence=f"{error} Send again what is not reported as stored.")
        return
    if not parts_read:
        raise BadRequest("The message has no parts. Nothing was stored.")


def _outcome(part: Part, *, study: str, sender: Viewer) -> Stored | Failed:
    kind = parse_media_type(part.headers.get("content-type", DICOM))
    if kind is None or kind.name != DICOM:
        return Failed(reason=Failure.NOT_UNDERSTOOD, sentence=f"A part is not of type {DICOM}.")
    return store(part.chunks, study=study, sender=sender)


def _report(stored: Sequence[Stored], failed: Sequence[Failed], *, root: str) -> Element:
    """The Store Instances Response Module (PS3.18 I.2)."""
    named = [failure for failure in failed if failure.claims.sop and failure.claims.sop_class]
    others = [failure for failure in failed if failure not in named]
    studies = {outcome.claims.study for outcome in stored}
    report = dataset(RetrieveURL=f"{root}/studies/{studies.pop()}" if len(studies) == 1 else "")
    if stored:
        report |= dataset(ReferencedSOPSequence=[_stored_item(outcome, root) for outcome in stored])
    if named:
        report |= dataset(FailedSOPSequence=[_failed_item(failure) for failure in named])
    if others:
        report |= dataset(OtherFailuresSequence=[dataset(FailureReason=int(failure.reason)) for failure in others])
    return report


def reference(claims: Claims) -> Element:
    """An item that names an instance as its sender did."""
    return dataset(ReferencedSOPClassUID=claims.sop_class, ReferencedSOPInstanceUID=claims.sop)


def _stored_item(stored: Stored, root: str) -> Element:
    series = stored.instance.series.series_instance_uid
    url = f"{root}/studies/{stored.claims.study}/series/{series}/instances/{stored.claims.sop}"
    return reference(stored.claims) | dataset(RetrieveURL=url)


def _failed_item(failed: Failed) -> Element:
    return reference(failed.claims) | dataset(FailureReason=int(failed.reason))


def _headers(failed: Sequence[Failed], *, host: str) -> dict[str, str]:
    """The sentences of the first failures as warnings, since FailureReason is but a number."""
    headers = {"Cache-Control": "private, no-store"}
    if failed:
        sentences = (_quotable(failure.sentence) for failure in failed[:MOST_WARNINGS])
        headers["Warning"] = ", ".join(f'299 {host} "{sentence}"' for sentence in sentences)
    return headers


def _quotable(sentence: str) -> str:
    printable = "".join(character if character.isascii() and character.isprintable() else "?" for character in sentence)
    return printable.replace("\\", "/").replace('"', "'")[:500]
