"""What a study came to: its numbers for who may see them now, and everything behind them to take out."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.access import Capability
from portal.audit import anchors, trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from studies.cases import flow, flow_diagram
from studies.cases.case_list import Kind
from studies.cases.flow import FlowBox
from studies.evidence import bundle, disclosure
from studies.evidence.scope import Scope
from studies.models import Study
from studies.study_frame import StudyFrame, frame_of

FORBIDDEN = 403
KEYLESS = (
    "Nothing was exported: this portal has no key to make pseudonyms with. Have an administrator set "
    "OVERREAD_BLINDING_KEY."
)
KINDS = (Kind.REAL, Kind.PILOT)


@require_safe
@never_cache
@login_required
def results(request: SignedInRequest, slug: str) -> HttpResponse:
    """The numbers of the study, real or pilot, with their denominators."""
    frame = frame_of(request.user, slug, Capability.VIEW_RESULTS)
    if why := disclosure.why_kept(frame, request.user):
        return _kept(request, frame, why)
    kind = kind_of(request)
    line = flow.line_of(frame.study)
    counts = line.pilot if kind == Kind.PILOT else line.real
    trail.record(Action.STUDY_RESULTS_VIEWED, of=slug, study=slug, detail={"kind": kind.value})
    context = {
        "frame": frame,
        "kind": kind,
        "kinds": KINDS,
        "counts": counts,
        "drawn": flow_diagram.draw(counts, is_read=line.is_read, link=links(frame.study, kind)),
        "has_pilot": bool(line.pilot[FlowBox.RECEIVED]),
    }
    return render(request, "studies/results.html", context)


@require_safe
@never_cache
@login_required
def export(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Everything behind the numbers as one zip. That it was taken out is put on record before it is sent."""
    frame = frame_of(request.user, slug, Capability.VIEW_RESULTS)
    if why := disclosure.why_kept(frame, request.user):
        return _kept(request, frame, why)
    scope = Scope(study=frame.study, is_pilot=kind_of(request) == Kind.PILOT)
    try:
        made = bundle.make(scope, by=request.user.get_username(), at=now(), audit_head=anchors.head().hash)
    except ImproperlyConfigured:
        messages.error(request, KEYLESS)
        return redirect("study-results", slug)
    detail = {
        "kind": kind_of(request).value,
        "rows": made.rows,
        "sha256": made.sha256,
        "files": len(made.files),
        "version": scope.version.number,
    }
    trail.record(Action.STUDY_RESULTS_EXPORTED, of=slug, study=slug, detail=detail)
    answer = FileResponse(made.content, as_attachment=True, filename=made.name, content_type="application/zip")
    answer["Content-Length"] = made.size
    return answer


def kind_of(request: SignedInRequest) -> Kind:
    """Real cases, unless the pilot's were asked for."""
    return Kind.PILOT if request.GET.get("cases") == Kind.PILOT else Kind.REAL


def links(study: Study, kind: Kind) -> flow_diagram.Link:
    """From each number of the flow to its list."""
    cases = reverse("study-cases", args=[study.slug])

    def link(box: FlowBox, criterion: str) -> str:
        asked = {"box": box.value, "cases": kind.value} | ({"criterion": criterion} if criterion else {})
        return f"{cases}?{urlencode(asked)}"

    return link


def _kept(request: SignedInRequest, frame: StudyFrame, why: str) -> HttpResponse:
    return render(request, "studies/results_kept.html", {"frame": frame, "why": why}, status=FORBIDDEN)
