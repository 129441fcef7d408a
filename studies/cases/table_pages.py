"""Tables of outside results: uploaded, looked at, and kept."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from portal.access import Capability
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from studies.cases import case_tables, outside_tables, truth
from studies.cases.case_tables import Matching
from studies.cases.tables import LARGEST, TableUnreadable
from studies.models import OutsideTable
from studies.protocols import protocol
from studies.protocols.protocol_schema import Arm, TableFindings
from studies.refusals import Refused
from studies.study_frame import StudyFrame, frame_of


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def findings(request: SignedInRequest, slug: str) -> HttpResponse:
    """The arms whose findings come as a table, and where tables are uploaded for them."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    arms = outside_tables.arms_of(protocol.current(frame.study).content)
    arm = next((one for one in arms if one.key == request.POST.get("arm")), None)
    fault = ""
    if request.method == "POST":
        if arm is None:
            raise Http404
        table, fault = uploaded(request, frame, arm=arm.key)
        if table is not None:
            return redirect("study-table", slug, table.pk)
    kept = OutsideTable.objects.filter(study=frame.study, kept_at__isnull=False).exclude(arm="")
    context = {
        "frame": frame,
        "tab_here": "study-cases",
        "arms": arms,
        "fault": fault,
        "fault_arm": arm,
        "kept": kept.select_related("uploaded_by").defer("content"),
    }
    return render(request, "studies/outside_results.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def table(request: SignedInRequest, slug: str, table: int) -> HttpResponse:
    """One uploaded table: what would be taken of it, line by line, and the button that does so."""
    frame = frame_of(request.user, slug, Capability.VIEW_FLOW)
    shown = get_object_or_404(OutsideTable.objects.select_related("study", "uploaded_by"), study=frame.study, pk=table)
    if not frame.may(Capability.MANAGE_CASES if shown.arm else Capability.SET_TRUTH):
        raise Http404
    arm = _arm(frame, shown)
    if request.method == "POST":
        return _keep(request, frame, shown, arm)
    matching, fault = _matching(shown, arm)
    trail.record(Action.EXAMS_LISTED, of=f"table:{shown.pk}", study=slug)
    here = "study-cases" if arm else "study-truth"
    context = {"frame": frame, "tab_here": here, "table": shown, "arm": arm, "matching": matching, "fault": fault}
    return render(request, "studies/table.html", context)


def uploaded(request: SignedInRequest, frame: StudyFrame, *, arm: str) -> tuple[OutsideTable | None, str]:
    """The file that came with the request, put aside; or what is wrong with it."""
    file = request.FILES.get("file")
    if file is None:
        return None, "Choose a CSV file."
    if file.size is None or file.size > LARGEST:
        return None, "The file is larger than 20 MiB. Split it."
    try:
        name = file.name or "table.csv"
        return case_tables.upload(frame.study, arm=arm, name=name, content=file.read(), by=request.user), ""
    except TableUnreadable as refusal:
        return None, str(refusal)


def _keep(request: SignedInRequest, frame: StudyFrame, shown: OutsideTable, arm: Arm | None) -> HttpResponse:
    try:
        if arm is not None and isinstance(arm.findings, TableFindings):
            kept = outside_tables.keep(shown, arm.findings, by=request.user)
            messages.success(request, f"{kept} findings of {arm.label} were kept.")
            return redirect("study-findings", frame.study.slug)
        version = truth.import_table(shown, by=request.user, reason=request.POST.get("why", ""))
    except (Refused, TableUnreadable) as refusal:
        messages.error(request, str(refusal))
        return redirect("study-table", frame.study.slug, shown.pk)
    messages.success(request, f"The table is in version {version.number} of the truth.")
    return redirect("study-truth", frame.study.slug)


def _matching(shown: OutsideTable, arm: Arm | None) -> tuple[Matching | None, str]:
    try:
        if arm is not None and isinstance(arm.findings, TableFindings):
            return outside_tables.preview(shown, arm.findings), ""
        return truth.preview(shown), ""
    except TableUnreadable as refusal:
        return None, str(refusal)


def _arm(frame: StudyFrame, shown: OutsideTable) -> Arm | None:
    """The arm that the table is for; None for the truth."""
    if not shown.arm:
        return None
    arms = outside_tables.arms_of(protocol.current(frame.study).content)
    found = next((arm for arm in arms if arm.key == shown.arm), None)
    if found is None:
        raise Http404
    return found
