"""Correcting what a read shows, from the read's page. To everybody but its reader it is not there."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal.signed_in import SignedInRequest
from studies.models import Read
from studies.reading import corrections, reads
from studies.reading.reads import ReadRefused

TEMPLATE = "feedback/_correction.html"


@require_safe
@never_cache
@login_required
def correction(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """The part of the page; it asks for itself again while a worker measures."""
    return _part(request, _read(request, read_id))


@require_POST
@never_cache
@login_required
def begin(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Where the editor is, and when it was opened; for the window that claimed the read."""
    try:
        viewer, opened = corrections.begin(
            _read(request, read_id), by=request.user, claim=request.POST.get("claim", "")
        )
    except ReadRefused as refused:
        return JsonResponse({"problem": str(refused)}, status=HTTPStatus.CONFLICT)
    return JsonResponse({"viewer": viewer, "opened": opened})


@require_POST
@never_cache
@login_required
def none(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Keep "no lesion" as the reader's correction."""
    read, problem = _read(request, read_id), ""
    opened, claim = request.POST.get("editor", ""), request.POST.get("window", "")
    try:
        corrections.say_empty(read, by=request.user, opened=opened, claim=claim)
    except ReadRefused as refused:
        problem = str(refused)
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(reverse("read", args=[read_id]))
    return _part(request, read, problem=problem)


def _read(request: SignedInRequest, read_id: UUID) -> Read:
    found = reads.mine(request.user).select_related("study", "case__exam", "protocol", "reader").filter(pk=read_id)
    if (own := found.first()) is None:
        raise Http404
    return own


def _part(request: SignedInRequest, read: Read, *, problem: str = "") -> HttpResponse:
    block = corrections.block_of(read, problem=problem)
    status = HTTPStatus.CONFLICT if problem else HTTPStatus.OK
    return render(request, TEMPLATE, {"correction": block}, status=status)
