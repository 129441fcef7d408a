"""The log of the whole portal, for administrators. Each study has its own among its pages."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.audit import log
from portal.signed_in import SignedInRequest

View = Callable[[SignedInRequest], HttpResponseBase]


def _administrators_only(view: View) -> Callable[..., HttpResponseBase]:
    """Others get a page that does not exist."""

    @wraps(view)
    def guarded(request: SignedInRequest) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise Http404
        return view(request)

    return login_required(guarded)


@require_safe
@never_cache
@_administrators_only
def log_page(request: SignedInRequest) -> HttpResponse:
    """Who did and saw what, newest first."""
    return render(request, "audit/log.html", {"log": log.page(request.GET, study=None)})


@require_safe
@_administrators_only
def log_export(request: SignedInRequest) -> HttpResponseBase:
    """The same as CSV."""
    return log.export(request.GET, study=None)
