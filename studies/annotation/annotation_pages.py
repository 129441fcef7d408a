"""An annotator's read: its page, the files that come to it, its starting mask, and its end. Nobody else finds it."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from feedback.fields import PREFIX
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.annotation import annotating, dealing, image_files, starting
from studies.annotation.annotation_page import AnnotationPage, Entered, page_of, part_of
from studies.annotation.errors import NotAMask
from studies.blinding.errors import Unshowable
from studies.models import Read
from studies.reading import reading_list, reads
from studies.reading.reads import AlreadySubmitted, ClaimedElsewhere, ReadRefused
from studies.refusals import Refused

LONGEST_NOTES = 10_000


@require_safe
@never_cache
@login_required
def annotation(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """The images beside what is asked of the annotator. Opening the read is the page's own first act."""
    page = page_of(_read_of(read_id, request.user), request.user)
    exam, study = page.read.case.exam.study_instance_uid, page.read.study.slug
    trail.record(Action.EXAM_VIEWED, of=exam, study=study, detail={"page": "annotation", "read": read_id})
    return render(request, "studies/annotation.html", {"page": page})


@require_safe
@never_cache
@login_required
def mask(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """The mask as far as it is made, for a page that is open."""
    return _part(request, _read_of(read_id, request.user))


@require_POST
@login_required
def upload(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Take a SEG or NIfTI file as the mask, or say why it cannot be."""
    read, file = _read_of(read_id, request.user), request.FILES.get("file")
    if file is None:
        return _part(request, read, problem="Choose a file: a DICOM SEG or a NIfTI label map.")
    try:
        claim = request.POST.get("claim", "")
        annotating.upload(read_id, by=request.user, claim=claim, file=file, name=(file.name or "")[:200])
    except (NotAMask, ReadRefused) as refusal:
        return _part(request, read, problem=str(refusal))
    return _part(request, _read_of(read_id, request.user))


@require_POST
@login_required
def start(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Ask for the pipeline with whose mask the annotator starts."""
    read = _read_of(read_id, request.user)
    try:
        starting.ask(read, by=request.user)
    except ReadRefused as refusal:
        return _part(request, read, problem=str(refusal))
    return _part(request, read)


@require_POST
@login_required
def submit(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Make the mask the arm's and lead on; or hand back all that was entered with 409."""
    read = _read_of(read_id, request.user)
    entered = _entered(request)
    try:
        annotating.submit(
            read_id,
            by=request.user,
            claim=entered.claim,
            is_absent=entered.is_absent,
            notes=entered.notes,
            active=entered.active,
        )
    except AlreadySubmitted:
        return _go_on(request, read)
    except (NotAMask, ReadRefused, Refused) as refusal:
        return _panel(request, page_of(read, request.user, _refused(entered, refusal)))
    return _go_on(request, read)


@require_safe
@login_required
def images(request: SignedInRequest, read_id: UUID) -> FileResponse:
    """The images that the read shows, as DICOM files in a ZIP, for a drawing program of the annotator's own."""
    read = _read_of(read_id, request.user)
    if read.state != Read.State.OPENED:
        raise Http404
    try:
        packed = image_files.packed(read)
    except Unshowable as reason:
        raise Http404 from reason
    detail = {"read": read_id, "exam": read.case.exam.study_instance_uid, "case": read.case.number}
    trail.record(Action.IMAGES_TAKEN, of=f"read:{read.pk}", study=read.study.slug, detail=detail)
    return FileResponse(
        packed, as_attachment=True, filename=f"case-{read.position}.zip", content_type="application/zip"
    )


def _entered(request: SignedInRequest) -> Entered:
    active = request.POST.get("active", "")
    return Entered(
        is_absent=request.POST.get(f"{PREFIX}mask") == dealing.ABSENT,
        notes=request.POST.get(f"{PREFIX}notes", "").strip()[:LONGEST_NOTES],
        claim=request.POST.get("claim", ""),
        active=float(active) if active.isascii() and active.isdecimal() and len(active) < 7 else 0.0,
    )


def _refused(entered: Entered, refusal: Exception) -> Entered:
    return Entered(
        is_absent=entered.is_absent,
        notes=entered.notes,
        claim=entered.claim,
        active=entered.active,
        problem=str(refusal),
        has_lost_claim=isinstance(refusal, ClaimedElsewhere),
    )


def _go_on(request: SignedInRequest, read: Read) -> HttpResponse:
    following = reading_list.read_after(read, request.user)
    address = reverse("read", args=[following.pk]) if following else reverse("home")
    if request.headers.get("HX-Request"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _part(request: SignedInRequest, read: Read, *, problem: str = "") -> HttpResponse:
    return render(request, "studies/_annotation_mask.html", {"part": part_of(read, problem=problem)})


def _panel(request: SignedInRequest, page: AnnotationPage) -> HttpResponse:
    is_part = bool(request.headers.get("HX-Request"))
    template = "studies/_annotation_panel.html" if is_part else "studies/annotation.html"
    return render(request, template, {"page": page}, status=HTTPStatus.CONFLICT)


def _read_of(read_id: UUID, annotator: User) -> Read:
    """Raises Http404 for everybody but its annotator."""
    own = reads.mine(annotator).filter(kind=Read.Kind.ANNOTATION, pk=read_id)
    found = own.select_related("study__ae_title", "case__exam", "form", "protocol", "after").first()
    if found is None:
        raise Http404
    return found
