"""The reception page, and what an administrator can do there."""

from functools import wraps
from typing import Protocol

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dicom_ingest import completion, quarantine
from dicom_ingest.models import QuarantinedInstance, RejectedAssociation, Route
from dicom_ingest.reception import QuarantineLine, route_lines
from dicom_ingest.store import quarantine_folder
from portal.access import Capability, holds
from portal.signed_in import SignedInRequest

_ROWS_SHOWN = 50


class _View(Protocol):
    def __call__(self, request: SignedInRequest, /, pk: int) -> HttpResponse: ...


@require_safe
@login_required
def reception(request: SignedInRequest) -> HttpResponse:
    """What came in lately, what was quarantined and who was refused."""
    if not holds(request.user, Capability.VIEW_RECEPTION):
        raise Http404
    page = Paginator(QuarantinedInstance.objects.all(), _ROWS_SHOWN).get_page(request.GET.get("page"))
    context = {
        "routes": route_lines(request.user),
        "page": page,
        "quarantine": [QuarantineLine(quarantined=one) for one in page.object_list],
        "rejected": RejectedAssociation.objects.all()[:_ROWS_SHOWN],
    }
    return render(request, "dicom_ingest/reception.html", context)


def _administrators_only(view: _View) -> _View:
    """Others get a page that does not exist."""

    @wraps(view)
    def guarded(request: SignedInRequest, /, pk: int) -> HttpResponse:
        if not request.user.is_superuser:
            raise Http404
        return view(request, pk=pk)

    return login_required(guarded)


@require_POST
@_administrators_only
def retry(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """Try to file a quarantined instance once more."""
    try:
        quarantine.retry(get_object_or_404(QuarantinedInstance, pk=pk))
    except FileNotFoundError:
        messages.warning(request, "Its file is being filed already. Look again in a moment.")
    else:
        messages.success(request, "The instance is filed again. If it cannot be, it comes back here with its reason.")
    return redirect("reception")


@require_POST
@_administrators_only
def discard(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """Delete a quarantined instance for good."""
    quarantine.discard(get_object_or_404(QuarantinedInstance, pk=pk), by=request.user)
    messages.success(request, "The instance was discarded.")
    return redirect("reception")


@require_safe
@_administrators_only
def download(_request: SignedInRequest, /, pk: int) -> HttpResponse:
    """The quarantined bytes, to look into them elsewhere."""
    path = quarantine_folder() / get_object_or_404(QuarantinedInstance, pk=pk).file_name
    if not path.is_file():
        raise Http404
    response = FileResponse(path.open("rb"), as_attachment=True, filename=path.name)
    response["Content-Type"] = "application/octet-stream"
    return response  # type: ignore[return-value] # FileResponse is a response in all that matters here


@require_POST
@_administrators_only
def complete(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """Complete a route without waiting for its quiet period."""
    if completion.complete_now(get_object_or_404(Route, pk=pk)):
        messages.success(request, "The exam is complete; what arrives later makes it incomplete again.")
    else:
        messages.warning(
            request, "The exam is complete already, or an instance is being filed. Look again in a moment."
        )
    return redirect("reception")
