"""The figures of a study's quality check, for those who run it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import Capability
from portal.signed_in import SignedInRequest
from studies.quality import overview as figures
from studies.study_frame import frame_of


@require_safe
@login_required
def overview(request: SignedInRequest, slug: str) -> HttpResponse:
    """How many wait, how many were rejected and why, how alike reviewers judge, how long it takes them."""
    frame = frame_of(request.user, slug, Capability.VIEW_AUDIT)
    return render(request, "studies/quality/overview.html", {"frame": frame, "overview": figures.of(frame.study)})
