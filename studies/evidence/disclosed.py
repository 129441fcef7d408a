"""Views of a study's results: for who may see them now; everybody else of the study is told why not."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http.response import HttpResponseBase
from django.shortcuts import render

from portal.access import Capability
from portal.signed_in import SignedInRequest
from studies.cases.case_list import Kind
from studies.evidence import disclosure
from studies.study_frame import StudyFrame, frame_of

FORBIDDEN = 403


def disclosed(
    view: Callable[[SignedInRequest, StudyFrame], HttpResponseBase],
) -> Callable[[SignedInRequest, str], HttpResponseBase]:
    """Let `view` answer those who may see the results of the study; it gets the study's frame in place of its slug."""

    @wraps(view)
    def checked(request: SignedInRequest, slug: str) -> HttpResponseBase:
        frame = frame_of(request.user, slug, Capability.VIEW_RESULTS)
        if why := disclosure.why_kept(frame, request.user):
            context = {"frame": frame, "why": why, "tab_here": "study-results"}
            return render(request, "studies/results_kept.html", context, status=FORBIDDEN)
        return view(request, frame)

    return checked


def kind_of(request: SignedInRequest) -> Kind:
    """Real cases, unless the pilot's were asked for."""
    asked = request.POST.get("cases") or request.GET.get("cases")
    return Kind.PILOT if asked == Kind.PILOT else Kind.REAL
