"""The log of one study: what was done and seen for it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.access import Capability
from portal.audit import log
from portal.signed_in import SignedInRequest
from studies.study_frame import frame_of


@require_safe
@never_cache
@login_required
def study_log(request: SignedInRequest, slug: str) -> HttpResponse:
    """Who did and saw what for this study, newest first."""
    frame = frame_of(request.user, slug, Capability.VIEW_AUDIT)
    return render(request, "studies/log.html", {"frame": frame, "log": log.page(request.GET, study=slug)})


@require_safe
@login_required
def study_log_export(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The same as CSV."""
    frame_of(request.user, slug, Capability.VIEW_AUDIT)
    return log.export(request.GET, study=slug)
