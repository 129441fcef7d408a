"""What a study came to: its numbers for who may see them now, and everything behind them to take out."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.audit import anchors, trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from studies.cases import flow, flow_diagram
from studies.cases.case_list import Kind, from_flow
from studies.cases.flow import FlowBox
from studies.evidence import bundle, charts, current, report_pages
from studies.evidence.disclosed import disclosed, kind_of
from studies.evidence.scope import Scope
from studies.evidence.shown import Shown, ShownTable
from studies.study_frame import StudyFrame

KINDS = (Kind.REAL, Kind.PILOT)
KEYLESS = (
    "Nothing is shown or exported: this portal has no key to make pseudonyms with. Have an administrator set "
    "OVERREAD_BLINDING_KEY."
)


@dataclass(frozen=True, kw_only=True)
class ShownChart:
    """A chart with the id under which its data stand in the page."""

    id: str
    data: charts.Chart


@dataclass(frozen=True, kw_only=True)
class Part:
    """One table of the page, and its charts."""

    table: ShownTable
    charts: tuple[ShownChart, ...]


@require_safe
@never_cache
@login_required
@disclosed
def results(request: SignedInRequest, frame: StudyFrame) -> HttpResponse:
    """The numbers of the study, real or pilot, with their denominators."""
    kind, slug = kind_of(request), frame.study.slug
    try:
        shown = current.numbers_of(Scope(study=frame.study, is_pilot=kind == Kind.PILOT))
    except ImproperlyConfigured:
        return _without_key(request, slug)
    line = flow.line_of(frame.study)
    counts = shown.evidence.flow
    detail = {"kind": kind.value, "rows": shown.count, "sha256": shown.sha256, "version": shown.evidence.protocol}
    trail.record(Action.STUDY_RESULTS_VIEWED, of=slug, study=slug, detail=detail)
    context = {
        "frame": frame,
        "kind": kind,
        "kinds": KINDS,
        "shown": shown,
        "parts": _parts(shown),
        "counts": counts.by_name,
        "drawn": flow_diagram.draw(counts, is_read=line.is_read, link=from_flow(frame.study, kind)),
        "has_pilot": bool(line.pilot[FlowBox.RECEIVED]),
        "report": report_pages.part(request, frame, kind),
    }
    return render(request, "studies/results.html", context)


@require_safe
@never_cache
@login_required
@disclosed
def export(request: SignedInRequest, frame: StudyFrame) -> HttpResponseBase:
    """Everything behind the numbers as one zip. That it was taken out is put on record before it is sent."""
    slug = frame.study.slug
    scope = Scope(study=frame.study, is_pilot=kind_of(request) == Kind.PILOT)
    try:
        made = bundle.make(scope, by=request.user.get_username(), at=now(), audit_head=anchors.head().hash)
    except ImproperlyConfigured:
        return _without_key(request, slug)
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


def _without_key(request: SignedInRequest, slug: str) -> HttpResponse:
    messages.error(request, KEYLESS)
    return redirect("study", slug)


def _parts(shown: Shown) -> list[Part]:
    drawn = charts.charts_of(shown)
    return [
        Part(
            table=table,
            charts=tuple(
                ShownChart(id=f"{table.key}-{place}", data=chart)
                for place, chart in enumerate(drawn.get(table.key, []), start=1)
            ),
        )
        for table in (*shown.endpoints, *shown.tables)
    ]
