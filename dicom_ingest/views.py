"""The reception page, and what an administrator can do there."""

from functools import wraps
from typing import Protocol
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from dicom_ingest import completion, quarantine, room
from dicom_ingest.models import DiscardedInstance, Exam, QuarantinedInstance, RejectedAssociation, Route
from dicom_ingest.reception import QuarantineLine, counts, reason_lines, route_lines
from dicom_ingest.store import quarantine_folder
from portal import live
from portal.access import Capability, holds
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest

_ROWS_SHOWN = 50
_DISCARDED_SHOWN = 10
_LONGEST_WHY = 200


class _View(Protocol):
    def __call__(self, request: SignedInRequest, /, pk: int) -> HttpResponse: ...


@require_safe
@login_required
def reception(request: SignedInRequest) -> HttpResponse:
    """What came in lately, what was quarantined and who was refused."""
    if not holds(request.user, Capability.VIEW_RECEPTION):
        raise Http404
    reason = request.GET.get("reason", "")
    quarantined = QuarantinedInstance.objects.all()
    page = Paginator(quarantined.filter(reason=reason) if reason else quarantined, _ROWS_SHOWN).get_page(
        request.GET.get("page")
    )
    context = {
        "arrivals": _arrivals_part(request),
        "page": page,
        "query": f"{urlencode({'reason': reason})}&" if reason else "",
        "reason": reason,
        "reasons": reason_lines(),
        "quarantine": [QuarantineLine(quarantined=one) for one in page.object_list],
        "discarded": DiscardedInstance.objects.select_related("discarded_by")[:_DISCARDED_SHOWN],
        "lack_of_room": "" if room.has_room() else room.lack_of_room(),
        "rejected": RejectedAssociation.objects.all()[:_ROWS_SHOWN],
        "rejection_days": settings.OVERREAD_REJECTION_DAYS,
        "may_send": holds(request.user, Capability.SEND_EXAMS),
    }
    trail.record(Action.EXAMS_LISTED, of="reception")
    return render(request, "dicom_ingest/reception.html", context)


@require_safe
@login_required
def arrivals(request: SignedInRequest) -> HttpResponse:
    """The part of the page that keeps itself up to date: figures and routes."""
    if not holds(request.user, Capability.VIEW_RECEPTION):
        raise Http404
    return live.answer(request, _arrivals_part(request))


def _arrivals_part(request: SignedInRequest) -> SafeString:
    context: dict[str, object] = {"counts": counts(), "routes": route_lines(request.user)}
    return live.part(
        request,
        "dicom_ingest/_arrivals.html",
        context,
        name="arrivals",
        url=reverse("reception-arrivals"),
        is_final=False,
    )


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
    """Delete a quarantined instance for good; what it was, by whom and why stays on record."""
    quarantined = get_object_or_404(QuarantinedInstance, pk=pk)
    why = request.POST.get("why", "").strip()[:_LONGEST_WHY]
    if not why:
        messages.warning(request, "Nothing was discarded: say why, for the record.")
        return redirect("reception")
    try:
        quarantine.discard(quarantined, by=request.user, why=why)
    except FileNotFoundError:
        messages.warning(request, "Its file is being filed again. Look again in a moment.")
    else:
        messages.success(request, "The instance was discarded; the record of it stays below.")
    return redirect("reception")


@require_safe
@_administrators_only
def download(_request: SignedInRequest, /, pk: int) -> HttpResponse:
    """The quarantined bytes, to look into them elsewhere."""
    path = quarantine_folder() / get_object_or_404(QuarantinedInstance, pk=pk).file_name
    if not path.is_file():
        raise Http404
    trail.record(Action.QUARANTINED_FILE_EXPORTED, of=path.name)
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


@require_POST
@login_required
def complete_exam(request: SignedInRequest, /, study_instance_uid: str) -> HttpResponse:
    """Complete an exam on every route by which it still arrives."""
    exams = Exam.objects.visible_to(request.user, Capability.SEND_EXAMS)
    exam = get_object_or_404(exams, study_instance_uid=study_instance_uid)
    if completion.complete_exam_now(exam):
        messages.success(request, "The exam is complete; what arrives later makes it incomplete again.")
    else:
        messages.warning(
            request, "The exam is complete already, or an instance is being filed. Look again in a moment."
        )
    return redirect("exam", exam.study_instance_uid)
