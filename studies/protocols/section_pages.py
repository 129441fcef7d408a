"""Sections of a draft protocol, saved as they are typed. What cannot be saved stays on the page with what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from portal.access import Capability
from portal.signed_in import SignedInRequest
from studies.models import ProtocolVersion, Study
from studies.protocols import (
    design_preview,
    protocol,
    protocol_forms,
    protocol_reading,
    section_changes,
    section_posting,
)
from studies.protocols.protocol_document import document_of
from studies.protocols.protocol_sayings import Labels
from studies.protocols.protocol_schema import Protocol
from studies.protocols.protocol_sections import SECTIONS, section_of
from studies.protocols.protocol_words import Section
from studies.protocols.section_editor import Editor, editor_of, seen_of
from studies.protocols.section_faults import Faults, faults_of
from studies.protocols.section_posting import Posted
from studies.protocols.stage_steps import checklist_context
from studies.refusals import ProtocolRefused
from studies.study_frame import frame_of

_NAMING: dict[str, tuple[str, ...]] = {
    "readers": ("arms", "design"),
    "arms": ("design", "endpoints"),
    "forms": ("design", "reference", "endpoints"),
}
"""Sections that name what another section lists: drawn anew when those names change."""
_DRAWN = ("design", "arms", "readers")
"""Sections on which the drawing of the design depends."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a post: the section as it is now, the document that is kept, and other sections to draw anew."""

    editor: Editor
    document: dict[str, Any]
    focus: str = ""
    others: Sequence[Editor] = ()


@require_POST
@login_required
def section(request: SignedInRequest, slug: str, key: str) -> HttpResponse:
    """Save one section as far as it can be. A button that changes a list answers with the section drawn anew."""
    frame = frame_of(request.user, slug, Capability.DESIGN_STUDY)
    try:
        with transaction.atomic():
            answer = _answer(request, frame.study, section_of(key))
    except (KeyError, section_changes.UnknownChange) as fault:
        raise Http404 from fault
    if answer is None:
        return HttpResponse("The protocol is frozen. Load the page again.", status=HTTPStatus.CONFLICT)
    is_drawn = bool(request.POST.get("do"))
    context = {
        **checklist_context(frame),
        **_shared(frame.study, answer.document),
        "answer": answer,
        "editor": answer.editor,
        "is_drawn": is_drawn,
        "draws_design": key in _DRAWN and not answer.others,
        "focus": answer.focus,
    }
    return render(request, "studies/_protocol_saved.html", context)


def draft_context(study: Study, version: ProtocolVersion) -> dict[str, Any]:
    """The page of a draft: every section, ready to be written in."""
    shown = document_of(version.content)  # with what the schema has gained since it was written
    editors = [editor_of(one, shown, saved=version.document) for one in SECTIONS]
    return {"editors": editors, **_shared(study, shown)}


def _shared(study: Study, document: dict[str, Any]) -> dict[str, Any]:
    taken = {str(form["name"]) for form in document["forms"]}
    available = protocol_forms.available()
    return {
        "study": study,
        "lanes": design_preview.lanes(Protocol.model_validate(document)),
        "pipelines": protocol_reading.pipelines(document),
        "forms": [_form_line(form, available.get(str(form["name"]))) for form in document["forms"]],
        "more_forms": [(name, form["title"]) for name, form in available.items() if name not in taken],
    }


@dataclass(frozen=True, kw_only=True)
class FormLine:
    """A form of the protocol in the list. `has_newer`: another version of it was published meanwhile."""

    name: str
    title: str
    questions: int
    problem: str
    has_newer: bool


def _form_line(form: dict[str, Any], newest: dict[str, Any] | None) -> FormLine:
    return FormLine(
        name=str(form["name"]),
        title=str(form.get("title") or form["name"]),
        questions=len(protocol_forms.questions(form)),
        problem=protocol_forms.problem(form),
        has_newer=newest is not None and newest != form,
    )


def _answer(request: SignedInRequest, study: Study, asked: Section) -> Answer | None:
    """Save the section of the draft, which is locked so that of two who write at once the second is told. None without
    a draft."""
    version = study.protocols.select_for_update().filter(frozen_at=None).first()
    if version is None:
        return None
    shown = section_posting.read(asked, request.POST, version.document)
    shown, focus = section_changes.changed(asked, shown, request.POST.get("do", ""))
    posted = section_posting.settled(asked, shown)
    faults = _save(request, version, asked, posted)
    after = ProtocolVersion.objects.get(pk=version.pk)
    editor = editor_of(asked, posted.shown, saved=after.document, faults=faults)
    others = [] if faults else _others(asked, version.document, after.document)
    return Answer(editor=editor, document=after.document, focus=focus, others=others)


def _save(request: SignedInRequest, version: ProtocolVersion, asked: Section, posted: Posted) -> Faults:
    """What keeps it from being saved; nothing when it is."""
    if request.POST.get("seen") != seen_of(asked, version.document):
        return Faults(of_all=("Somebody changed this section meanwhile. Load the page again before you go on.",))
    try:
        content = Protocol.model_validate(posted.document)
    except ValidationError as fault:
        names = [bound.name for bound in editor_of(asked, posted.shown, saved=version.document).bounds]
        return faults_of(fault, posted, names)
    try:
        protocol.save(version, content, by=request.user)
    except ProtocolRefused as fault:
        return Faults(of_all=(str(fault),))
    return Faults()


def _others(asked: Section, before: dict[str, Any], after: dict[str, Any]) -> list[Editor]:
    if asked.key not in _NAMING or _names(before) == _names(after):
        return []
    return [editor_of(section_of(key), after, saved=after) for key in _NAMING[asked.key]]


def _names(document: dict[str, Any]) -> Labels:
    return Labels.of(document)
