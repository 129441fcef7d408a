"""The page of a study's protocol: written in sections while it is a draft, read as a document once it is frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from portal.access import Capability
from portal.audit import trail
from portal.audit.trail import Action
from portal.signed_in import SignedInRequest
from studies.models import ProtocolVersion, StageChange, Study
from studies.protocols import design_preview, protocol, protocol_reading, stages
from studies.protocols.amendments import changes
from studies.protocols.protocol_document import to_yaml
from studies.protocols.section_pages import draft_context
from studies.protocols.stage_steps import checklist_context, done_words
from studies.protocols.stages import StageRefused
from studies.refusals import ProtocolRefused
from studies.study_frame import frame_of

Stage = Study.Stage


@require_safe
@login_required
def protocol_page(request: SignedInRequest, slug: str) -> HttpResponse:
    """The protocol: the draft for who writes it, the version in force for everybody else who may see it."""
    frame = frame_of(request.user, slug, Capability.VIEW_PROTOCOL)
    written = protocol.draft(frame.study)
    if written is not None and (frame.may(Capability.DESIGN_STUDY) or protocol.in_force(frame.study) is None):
        shown = written
    else:
        shown = protocol.current(frame.study)
    edits = not shown.is_frozen and frame.may(Capability.DESIGN_STUDY)
    context = {**checklist_context(frame), "version": shown, "draft": written, "edits": edits}
    context |= draft_context(frame.study, shown) if edits else _document_context(shown)
    return render(request, "studies/protocol.html", context)


@require_POST
@login_required
def stage(request: SignedInRequest, slug: str) -> HttpResponse:
    """Take the study to its next stage."""
    frame = frame_of(request.user, slug, Capability.DESIGN_STUDY)
    to, before = request.POST.get("to", ""), Stage(frame.study.stage)
    try:
        _take(frame.study, to, request)
    except (StageRefused, ProtocolRefused) as fault:
        messages.error(request, f"The study stays {frame.study.get_stage_display().lower()}. {fault}")
    else:
        messages.success(request, done_words(before, Stage(to)))
    return redirect("study-protocol", slug)


@require_POST
@login_required
def amend(request: SignedInRequest, slug: str) -> HttpResponse:
    """Begin an amendment, for the reason given."""
    frame = frame_of(request.user, slug, Capability.DESIGN_STUDY)
    return _done(
        request,
        slug,
        lambda: protocol.amend(frame.study, reason=request.POST.get("reason", ""), by=request.user),
        "The amendment is begun. It changes nothing before it is in force.",
    )


@require_POST
@login_required
def put_in_force(request: SignedInRequest, slug: str) -> HttpResponse:
    """Freeze the amendment."""
    frame = frame_of(request.user, slug, Capability.DESIGN_STUDY)
    return _done(
        request, slug, lambda: stages.put_in_force(frame.study, by=request.user), "The amendment is in force now."
    )


@require_POST
@login_required
def discard(request: SignedInRequest, slug: str) -> HttpResponse:
    """Drop the amendment."""
    frame = frame_of(request.user, slug, Capability.DESIGN_STUDY)
    return _done(request, slug, lambda: protocol.discard_draft(frame.study), "The amendment is discarded.")


@require_safe
@login_required
def versions(request: SignedInRequest, slug: str) -> HttpResponse:
    """Every version, who made it, when and why; and what differs between two of them."""
    frame = frame_of(request.user, slug, Capability.VIEW_PROTOCOL)
    listed = list(frame.study.protocols.select_related("made_by", "frozen_by"))
    old, new = _chosen(request, listed)
    context = {
        "frame": frame,
        "tab_here": "study-protocol",
        "versions": listed,
        "old": old,
        "new": new,
        "changes": changes(old.content, new.content) if old and new else [],
        "steps": StageChange.objects.filter(study=frame.study).select_related("made_by"),
    }
    return render(request, "studies/protocol_versions.html", context)


@require_safe
@login_required
def protocol_file(request: SignedInRequest, slug: str) -> HttpResponse:
    """One version as YAML: the current one, or `?version=2`."""
    frame = frame_of(request.user, slug, Capability.VIEW_PROTOCOL)
    number = request.GET.get("version", "")
    found = frame.study.protocols.filter(number=int(number)) if number.isdecimal() and len(number) < 9 else None
    version = protocol.current(frame.study) if found is None else found.first()
    if version is None:
        raise Http404
    detail: dict[str, object] = {"version": version.number, "digest": version.digest}
    trail.record(Action.PROTOCOL_EXPORTED, of=f"{slug}:{version.number}", study=slug, detail=detail)
    answer = HttpResponse(to_yaml(version.document), content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{slug}-v{version.number}.yaml"'
    return answer


def _document_context(version: ProtocolVersion) -> dict[str, Any]:
    return {
        "sections": protocol_reading.read(version.document),
        "pipelines": protocol_reading.pipelines(version.document),
        "lanes": design_preview.lanes(version.content),
    }


def _take(study: Study, to: str, request: SignedInRequest) -> None:
    match to:
        case Stage.PILOT:
            stages.start_pilot(study, by=request.user)
        case Stage.ACTIVE if study.stage == Stage.LOCKED:
            stages.reopen(study, reason=request.POST.get("reason", ""), by=request.user)
        case Stage.ACTIVE:
            stages.activate(study, by=request.user)
        case Stage.LOCKED:
            stages.lock(study, by=request.user)
        case Stage.CLOSED:
            stages.close(study, by=request.user)
        case _:
            raise ProtocolRefused(f'There is no stage "{to}" to go to.')


def _done(request: SignedInRequest, slug: str, service: Callable[[], object], success: str) -> HttpResponse:
    try:
        service()
    except (StageRefused, ProtocolRefused) as fault:
        messages.error(request, str(fault))
    else:
        messages.success(request, success)
    return redirect("study-protocol", slug)


def _chosen(
    request: SignedInRequest, listed: list[ProtocolVersion]
) -> tuple[ProtocolVersion | None, ProtocolVersion | None]:
    """The two versions to compare: those asked for, or the newest with the one before."""
    by_number = {str(one.number): one for one in listed}
    newest = listed[0] if listed else None
    new = by_number.get(request.GET.get("to", ""), newest)
    before = by_number.get(str(new.number - 1)) if new else None
    return by_number.get(request.GET.get("from", ""), before), new
