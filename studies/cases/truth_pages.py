"""The reference standard of a study: its versions, what they cover, imports, and the lock."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import Capability
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from studies.cases import truth
from studies.cases.table_pages import uploaded
from studies.models import Case, Study
from studies.refusals import Refused
from studies.study_frame import frame_of

SHOWN = 200


@require_safe
@login_required
def truth_page(request: SignedInRequest, slug: str) -> HttpResponse:
    """The versions of the truth, and what the newest says of which case."""
    frame = frame_of(request.user, slug, Capability.VIEW_TRUTH)
    versions = list(
        frame.study.truths.select_related("made_by", "locked_by").annotate(covered=Count("cases")).order_by("-number")
    )
    newest = versions[0] if versions else None
    trail.record(Action.TRUTH_VIEWED, of=slug, study=slug)
    enrolled = frame.study.cases.filter(state=Case.State.ENROLLED)
    context = {
        "frame": frame,
        "reference": truth.reference_of(frame.study),
        "versions": versions,
        "newest": newest,
        "is_locked": truth.is_locked(frame.study),
        "enrolled": enrolled.count(),
        "uncovered": enrolled.exclude(truths__version=newest).count() if newest else enrolled.count(),
        "rows": newest.cases.select_related("case__exam", "series").order_by("case__number")[:SHOWN] if newest else (),
        "rows_shown": SHOWN,
        "may_set": frame.may(Capability.SET_TRUTH) and frame.study.stage != Study.Stage.CLOSED,
    }
    return render(request, "studies/truth.html", context)


@require_POST
@login_required
def upload(request: SignedInRequest, slug: str) -> HttpResponse:
    """Put a table of the truth aside to be looked at."""
    frame = frame_of(request.user, slug, Capability.SET_TRUTH)
    table, fault = uploaded(request, frame, arm="")
    if table is None:
        messages.error(request, fault)
        return redirect("study-truth", slug)
    return redirect("study-table", slug, table.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def segmentations(request: SignedInRequest, slug: str) -> HttpResponse:
    """Look which segmentations a condition chooses, and take them as truth."""
    frame = frame_of(request.user, slug, Capability.SET_TRUTH)
    when = (request.POST if request.method == "POST" else request.GET).get("when", "").strip()
    try:
        if request.method == "POST":
            why = request.POST.get("why", "")
            version = truth.import_segmentations(frame.study, when, by=request.user, reason=why)
            messages.success(request, f"The segmentations are in version {version.number} of the truth.")
            return redirect("study-truth", slug)
        found, fault = truth.find_segmentations(frame.study, when) if when else None, ""
    except (Refused, ValueError) as refusal:
        found, fault = None, f"{refusal}"
    newest = truth.newest(frame.study)
    context = {
        "frame": frame,
        "tab_here": "study-truth",
        "when": when,
        "found": found,
        "fault": fault,
        "cases": Case.objects.in_bulk(found.chosen) if found else {},
        "needs_reason": newest is not None and newest.is_locked,
    }
    return render(request, "studies/truth_segmentations.html", context)


@require_POST
@login_required
def lock(request: SignedInRequest, slug: str) -> HttpResponse:
    """Make the newest version final."""
    frame = frame_of(request.user, slug, Capability.SET_TRUTH)
    try:
        locked = truth.lock_newest(frame.study, by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Version {locked.number} is locked. Nobody changes it any more.")
    return redirect("study-truth", slug)
