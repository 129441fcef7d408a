"""The report to the governance board: asked for, watched while a worker makes it, and fetched."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal import live
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from studies.cases.case_list import Kind
from studies.evidence import reports
from studies.evidence.disclosed import disclosed, kind_of
from studies.study_frame import StudyFrame


@require_POST
@login_required
@disclosed
def ask(request: SignedInRequest, frame: StudyFrame) -> HttpResponse:
    """Have a report made."""
    kind = kind_of(request)
    reports.ask(frame.study, is_pilot=kind == Kind.PILOT, by=request.user)
    return redirect(f"{reverse('study-results', args=[frame.study.slug])}?{urlencode({'cases': kind.value})}")


@require_safe
@login_required
@disclosed
def progress(request: SignedInRequest, frame: StudyFrame) -> HttpResponse:
    """How far the report is that was asked for last; the part of the page that keeps itself up to date."""
    return live.answer(request, part(request, frame, kind_of(request)))


@require_safe
@never_cache
@login_required
@disclosed
def report(request: SignedInRequest, frame: StudyFrame) -> HttpResponse:
    """The newest report that is made. That it was taken out is put on record before it is sent."""
    kind, slug = kind_of(request), frame.study.slug
    newest = reports.newest(frame.study, is_pilot=kind == Kind.PILOT)
    if newest is None or newest.content is None:
        messages.error(request, "There is no report yet. Press “Make the report”: it takes a few seconds.")
        return redirect(f"{reverse('study-results', args=[slug])}?{urlencode({'cases': kind.value})}")
    content = bytes(newest.content)
    detail = {"kind": kind.value, "rows": newest.numbers, "sha256": newest.sha256, "size": len(content)}
    trail.record(Action.STUDY_REPORT_EXPORTED, of=f"report:{newest.pk}", study=slug, detail=detail)
    answer = HttpResponse(content, content_type="application/pdf")
    name = f"{slug}-{kind.value}-{newest.made_at:%Y%m%dT%H%M%SZ}.pdf"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def part(request: SignedInRequest, frame: StudyFrame, kind: Kind) -> SafeString:
    """The report's line on the page of results."""
    is_pilot, slug = kind == Kind.PILOT, frame.study.slug
    asked = reports.last_asked(frame.study, is_pilot=is_pilot)
    address = reverse("study-report-progress", args=[slug])
    return live.part(
        request,
        "studies/_report_state.html",
        {
            "frame": frame,
            "kind": kind,
            "asked": asked,
            "newest": reports.newest(frame.study, is_pilot=is_pilot),
            "step": reports.STEPS[min(asked.step, len(reports.STEPS) - 1)] if asked else "",
            "steps": len(reports.STEPS),
        },
        name="report-state",
        url=f"{address}?{urlencode({'cases': kind.value})}",
        is_final=asked is None or asked.is_final,
    )
