"""OHIF's page at the addresses of its modes, and its configuration."""

from __future__ import annotations

import json
from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from viewer_static import links
from viewer_static.page import PageError, page

OHIF = Path(__file__).resolve().parent / "ohif"
FOREIGN_ROOT = (
    "This link names a source of images that is not one of the portal's. Open the images from their page again."
)


@require_safe
@login_required
@xframe_options_sameorigin
@cache_control(private=True, no_cache=True)
def viewer(request: HttpRequest) -> HttpResponse:
    """OHIF's page, which finds its mode in its address; it loads from the DICOMweb root that `?dicomweb=` names."""
    if not all(links.is_dicomweb_root(root) for root in request.GET.getlist("dicomweb")):
        return HttpResponseBadRequest(FOREIGN_ROOT, content_type="text/plain; charset=utf-8")
    try:
        ours = page()
    except PageError as error:
        return HttpResponse(str(error), status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse(ours.html, headers={"Content-Security-Policy": ours.policy})


@require_safe
@cache_control(no_cache=True)
def app_config(request: HttpRequest) -> HttpResponse:
    """OHIF's configuration. It holds nothing of a patient's, nor of a user's."""
    pattern = json.dumps(links.DICOMWEB_ROOT_PATTERN)
    script = (OHIF / "app-config.js").read_text(encoding="utf-8").replace("__DICOMWEB_ROOT_PATTERN__", pattern)
    return _javascript(script)


@require_safe
@cache_control(no_cache=True)
def module(request: HttpRequest, name: str) -> HttpResponse:
    """One ES module of the portal's own extensions of OHIF."""
    file = OHIF / "portal" / f"{name}.js"
    if not file.is_file():
        raise Http404
    return _javascript(file.read_text(encoding="utf-8"))


def _javascript(script: str) -> HttpResponse:
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")
