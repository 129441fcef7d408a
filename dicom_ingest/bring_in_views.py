"""The page on which a folder or a zip is dropped, and what takes its files, one a request.

The browser opens zips itself and sends one file at a time, so that no upload is long, a failure concerns one file, and
the server unpacks nothing. A file's name stays in the browser: it may name a patient.
"""

import logging
from collections.abc import Iterator

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dicom_ingest.bring_in import FROM_THE_PAGE, Brought, Fate, NotAllowed, bring_in
from dicom_ingest.dicomweb import decisions
from dicom_ingest.models import AETitle
from portal.access import Capability, holds
from portal.audit import trail
from portal.audit.actions import Action
from portal.audit.once import first_time
from portal.signed_in import SignedInRequest

LARGEST_UPLOAD = 4 << 30  # bytes
CONTENT_TYPES = ("application/octet-stream", "application/dicom")
_CHUNK = 1 << 20
_CUT_SHORT = "The file did not arrive whole. Send it again."
_STATUS = {Fate.WAITING: 202, Fate.REFUSED: 415}

_logger = logging.getLogger(__name__)


class _TurnedDown(Exception):
    """A request from which nothing was kept; `str()` is the sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@require_safe
@never_cache
@login_required
def page(request: SignedInRequest) -> HttpResponse:
    """Where a folder or a zip of exams is dropped."""
    if not holds(request.user, Capability.SEND_EXAMS):
        raise Http404
    context = {"titles": AETitle.objects.sendable_by(request.user), "largest_upload": LARGEST_UPLOAD}
    return render(request, "dicom_ingest/bring_in.html", context)


@require_POST
@never_cache
@login_required
def file(request: SignedInRequest) -> HttpResponse:
    """Keep the one file that the body is, sent to the AE title `to`. When this says so, the bytes are fsynced."""
    if not holds(request.user, Capability.SEND_EXAMS):
        raise Http404
    try:
        brought = _brought(request)
    except _TurnedDown as turned_down:
        return _answer(Brought(fate=Fate.REFUSED, sentence=str(turned_down)), status=turned_down.status)
    if brought.exam:
        _note(request, brought)
    return _answer(brought, status=_STATUS.get(brought.fate, 200))


def _note(request: SignedInRequest, brought: Brought) -> None:
    """An exam comes in hundreds of files; it is put on record once in a while."""
    with first_time(decisions.key("brought-in", request.user.pk, brought.exam)) as is_first:
        if is_first:
            trail.record_on_exam(Action.EXAM_BROUGHT_IN, exam=brought.exam, detail={"to": request.GET.get("to", "")})


def _brought(request: SignedInRequest) -> Brought:
    called_ae = _called_ae(request)
    body = _chunks(request, _length(request))
    try:
        brought = bring_in(body, called_ae=called_ae, calling_ae=FROM_THE_PAGE, sender=request.user)
        for _ in body:  # a browser that is answered before it has sent everything takes the connection for broken
            pass
    except NotAllowed as error:
        raise _TurnedDown(403, str(error)) from error
    except UnreadablePostError as error:
        raise _TurnedDown(400, _CUT_SHORT) from error
    except OSError as error:
        _logger.critical("A file of user %s could not be kept: %s.", request.user.pk, error.strerror)
        raise _TurnedDown(507, f"It could not be kept ({error.strerror}). Have space freed, then go on.") from error
    except DatabaseError as error:
        raise _TurnedDown(503, "The database does not answer, so it was not kept. Go on in a moment.") from error
    return brought


def _called_ae(request: SignedInRequest) -> str:
    title = AETitle.objects.sendable_by(request.user).filter(title=request.GET.get("to", "")).first()
    if title is None:
        raise _TurnedDown(400, "That is not an AE title to which you may send. Choose one of those on the page.")
    return title.title


def _length(request: HttpRequest) -> int:
    """What the request says of itself is judged before anything is read."""
    if request.content_type not in CONTENT_TYPES:
        raise _TurnedDown(415, f"Send the file itself as {' or '.join(CONTENT_TYPES)}.")
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise _TurnedDown(411, "The length of the file has to be sent with it.")
    if int(length) > LARGEST_UPLOAD:
        raise _TurnedDown(413, f"Larger than {LARGEST_UPLOAD >> 30} GiB. Send it over DICOM.")
    return int(length)


def _chunks(request: HttpRequest, length: int) -> Iterator[bytes]:
    """The body, a piece at a time; one that is cut short is not kept."""
    left = length
    while left:
        chunk = request.read(min(left, _CHUNK))
        if not chunk:
            raise _TurnedDown(400, _CUT_SHORT)
        left -= len(chunk)
        yield chunk


def _answer(brought: Brought, *, status: int) -> JsonResponse:
    exam = reverse("exam", args=[brought.exam]) if brought.exam else ""
    return JsonResponse({"fate": brought.fate, "sentence": brought.sentence, "exam": exam}, status=status)
