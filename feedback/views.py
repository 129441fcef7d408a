"""The page of one result, and the feedback part of it, which answers for itself."""

from http import HTTPStatus
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from dicom_ingest.models import Series
from feedback import posting
from feedback.agreements import agreements_of
from feedback.cards import cards_of
from feedback.correction_views import block_of
from feedback.findings import found_in
from feedback.languages import wanted_by
from feedback.panel import Panel, panel_for
from feedback.responses import visible_results
from feedback.review import may_review, statements_by_reader
from inference.models import Result
from inference.visibility import may
from portal.access import Capability
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from viewer_static.links import viewer_url

SHOWN_FIRST = ("seg", "capture", "rtstruct")
"""The kinds of object that the viewer opens with, the most telling first. On a report it opens with an empty pane."""
COMPACT_FROM = 3
"""So many measurements are a line each, which opens on its chart and table."""


@require_safe
@never_cache
@login_required
def result_page(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """A result: the images with the overlay, its measurements over time, and the feedback on it."""
    result = get_object_or_404(visible_results(request.user), pk=result_id)
    trail.record_on_exam(Action.RESULT_VIEWED, exam=result.exam.study_instance_uid, of=str(result.pk))
    return _page(request, _panel(request, result), status=HTTPStatus.OK)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def result_feedback(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """The feedback part of the page. POST saves a response, or hands back all that was entered with 409 or 422."""
    result = get_object_or_404(visible_results(request.user), pk=result_id)
    if request.method != "POST":
        return _part(request, _panel(request, result), status=HTTPStatus.OK)
    panel, status = posting.take(request.POST, result=result, reader=request.user, languages=wanted_by(request))
    if request.headers.get("HX-Request"):
        return _part(request, panel, status=status)
    if panel.saved:
        return HttpResponseRedirect(reverse("result", args=[result.pk]))
    return _page(request, panel, status=status)


def _panel(request: SignedInRequest, result: Result) -> Panel:
    return panel_for(result, request.user, amend="amend" in request.GET, languages=wanted_by(request))


def _part(request: SignedInRequest, panel: Panel, *, status: HTTPStatus) -> HttpResponse:
    return render(request, "feedback/panel.html", {"panel": panel}, status=status)


def _page(request: SignedInRequest, panel: Panel, *, status: HTTPStatus) -> HttpResponse:
    result, user = panel.result, request.user
    # Whoever is still to answer does not get to know what others said.
    reviews = may_review(user, result) and (panel.saved is not None or not panel.may_answer)
    cards = cards_of(result, user)
    context = {
        "panel": panel,
        "result": result,
        "exam": result.exam,
        "pipeline": result.job.pipeline,
        "cards": cards,
        "compact": len(cards) >= COMPACT_FROM,
        "found": found_in(result),
        "notes": result.notes.splitlines(),
        "agreements": agreements_of(result),
        "files": result.files.all() if may(user, Capability.EXPORT_FILES, result.job) else [],
        "viewer": _viewer(result),
        "correction": block_of(result, user),
        "reviews": reviews,
        "statements": statements_by_reader(result, user) if reviews else [],
    }
    return render(request, "feedback/result.html", context, status=status)


def _viewer(result: Result) -> str:
    shown = _shown_series(result)
    return viewer_url(result.exam.study_instance_uid, series_uid=shown.series_instance_uid if shown else None)


def _shown_series(result: Result) -> Series | None:
    """The series with which the viewer opens: a segmentation, or what else shows the most of the result."""
    if result.segmentation:
        return result.segmentation
    made = {file.kind: file.series for file in result.files.select_related("series")}
    return next((made[kind] for kind in SHOWN_FIRST if made.get(kind)), None)
