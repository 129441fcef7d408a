"""The flow of a study as a diagram that keeps itself up to date."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from portal import live
from portal.access import Capability
from portal.signed_in import SignedInRequest
from studies.blinding import ahead
from studies.cases import flow, flow_diagram, rescreening
from studies.cases.case_list import Kind, from_flow
from studies.cases.flow import FlowLine
from studies.models import Case, Study
from studies.refusals import Refused
from studies.study_frame import StudyFrame, frame_of

UNSHOWABLE_SHOWN = 20
BY_PERSON_SHOWN = 50


@require_safe
@login_required
def flow_page(request: SignedInRequest, slug: str) -> HttpResponse:
    """How many exams reached each stage, and where the others are."""
    frame = frame_of(request.user, slug, Capability.VIEW_FLOW)
    line = flow.line_of(frame.study)
    kind = _kind(request, line)
    outdated = rescreening.outdated(frame.study).count() if frame.may(Capability.MANAGE_CASES) else 0
    context = {
        "frame": frame,
        "kind": kind,
        "kinds": (Kind.REAL, Kind.PILOT),
        "diagram": _part(request, frame, line, kind),
        "missed": line.missed,
        "unshowable": ahead.problems(frame.study)[:UNSHOWABLE_SHOWN],
        "by_person": Case.objects.filter(
            study=frame.study, exam__jobs__chosen_by__isnull=False, exam__jobs__rerun_of=None
        )
        .distinct()
        .order_by("number")[:BY_PERSON_SHOWN],
        "outdated": outdated if frame.study.enrols else 0,
        "may_manage": frame.may(Capability.MANAGE_CASES),
    }
    return render(request, "studies/flow.html", context)


@require_safe
@login_required
def diagram(request: SignedInRequest, slug: str) -> HttpResponse:
    """The diagram alone, for the page to renew."""
    frame = frame_of(request.user, slug, Capability.VIEW_FLOW)
    line = flow.line_of(frame.study)
    return live.answer(request, _part(request, frame, line, _kind(request, line)))


@require_POST
@login_required
def take_missed(request: SignedInRequest, slug: str) -> HttpResponse:
    """Screen the exams that came while the study took none."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    try:
        taken = rescreening.take_missed(frame.study, by=request.user, why=request.POST.get("why", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{taken} exams were screened.")
    return redirect("study-flow", slug)


@require_POST
@login_required
def screen_outdated(request: SignedInRequest, slug: str) -> HttpResponse:
    """Screen again what was screened by an older version of the protocol, or before the exam's last images came."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    try:
        outdated = list(rescreening.outdated(frame.study).order_by("pk")[: rescreening.AT_ONCE])
        changed = rescreening.screen_again(outdated, by=request.user, why=request.POST.get("why", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{len(outdated)} exams were screened again; {changed} came out otherwise.")
    return redirect("study-flow", slug)


def _part(request: SignedInRequest, frame: StudyFrame, line: FlowLine, kind: Kind) -> SafeString:
    counts = line.pilot if kind == Kind.PILOT else line.real
    drawn = flow_diagram.draw(counts, is_read=line.is_read, link=from_flow(frame.study, kind))
    address = reverse("study-flow-diagram", args=[frame.study.slug])
    return live.part(
        request,
        "studies/_flow_diagram.html",
        {"drawn": drawn, "kind": kind},
        name="flow-diagram",
        url=f"{address}?{urlencode({'cases': kind.value})}",
        is_final=frame.study.stage == Study.Stage.CLOSED,
    )


def _kind(request: SignedInRequest, line: FlowLine) -> Kind:
    """What was asked for, or else what there is."""
    default = Kind.PILOT if line.is_pilot else Kind.REAL
    asked = request.GET.get("cases", default.value)
    return Kind.PILOT if asked == Kind.PILOT else Kind.REAL
