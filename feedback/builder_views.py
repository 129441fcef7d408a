"""The builder of forms: the list of drafts, one draft step by step, its translations, its YAML, and publishing it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Protocol

import yaml
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from feedback import form_drafts, form_text, forms
from feedback.builder_pages import editor_of, page_of, preview_of, try_answers
from feedback.builder_steps import step_from
from feedback.builder_translations import translate, translation_of
from feedback.form_builder import Document, NoSuchPlace, problems
from feedback.form_drafts import ChangedElsewhere, Unstorable
from feedback.form_schema import FormDefinition
from feedback.forms import MalformedForm, UnknownForm
from feedback.models import Form, FormDraft
from inference.errors import DefinitionInvalid
from portal.access import Capability, holds
from portal.signed_in import SignedInRequest


class _DraftView(Protocol):
    def __call__(self, request: SignedInRequest, /, draft: FormDraft) -> HttpResponse: ...


class _SlugView(Protocol):
    def __call__(self, request: SignedInRequest, /, slug: str) -> HttpResponse: ...


def _of_a_draft(view: _DraftView) -> _SlugView:
    """Give the view the draft of the slug in the address; to everybody else the page does not exist."""

    @wraps(view)
    def guarded(request: SignedInRequest, /, slug: str) -> HttpResponse:
        _require_designer(request)
        return view(request, draft=get_object_or_404(form_drafts.visible_to(request.user), slug=slug))

    return never_cache(login_required(guarded))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def form_list(request: SignedInRequest) -> HttpResponse:
    """The drafts that the user may write, and the shipped forms to start from. POST begins a draft."""
    _require_designer(request)
    title = request.POST.get("title", "").strip()
    if request.method == "POST" and 0 < len(title) <= 200 and title.isprintable():
        draft = form_drafts.begin(title, by=request.user, copy_of=_copied(request), study=_study(request))
        return redirect("form-builder", draft.slug)
    context = {
        "drafts": form_drafts.visible_to(request.user).select_related("updated_by"),
        "examples": [forms.example(name) for name in forms.examples()],
        "study": request.GET.get("study", ""),
        "lacks_title": request.method == "POST",
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if context["lacks_title"] else HTTPStatus.OK
    return render(request, "feedback/builder/forms.html", context, status=status)


@require_safe
@_of_a_draft
def builder(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """The builder of one form. `?open=` opens the question at that place; htmx gets that question's editor alone."""
    opened = request.GET.get("open", "")
    if request.headers.get("HX-Request"):
        try:
            editor = editor_of(draft, opened)
        except NoSuchPlace:
            return _changed(request, draft, "That question is gone. Here is the form as it is now.")
        return render(request, "feedback/builder/_editor.html", {"editor": editor, "draft": draft})
    context = {"page": page_of(draft, opened=opened), "draft": draft, "versions": _versions(draft)}
    return render(request, "feedback/builder/builder.html", context)


@require_POST
@_of_a_draft
def step(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """One step on the draft. What was typed is saved without drawing the fields anew; anything else draws all, and so
    does what was typed with `whole`: into fields that are no more."""
    what = request.POST.get("do", "")
    try:
        if what == "undo":
            draft = form_drafts.undo(draft, revision=_revision(request), by=request.user)
            return _whole(request, draft)
        change = step_from(request.POST)
        draft, place = form_drafts.step(draft, change, revision=_revision(request), by=request.user)
    except (ChangedElsewhere, NoSuchPlace, Unstorable) as fault:
        draft.refresh_from_db()
        return _changed(request, draft, str(fault))
    if what in {"write", "title", "section"} and "whole" not in request.POST:
        page = page_of(draft, opened=place, tried=request.POST)
        return render(request, "feedback/builder/_saved.html", {"page": page, "draft": draft, "at": place})
    return _whole(request, draft, opened=place)


@require_POST
@_of_a_draft
def preview(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """The preview as it was filled in: what is wrong with the answers, or what would be stored."""
    if problems(draft.definition):
        return render(request, "feedback/builder/_preview.html", {"page": page_of(draft), "draft": draft})
    tried = None if "clear" in request.POST else request.POST
    is_tried = tried is not None and "language" not in request.GET
    shown = try_answers(draft, request.POST) if is_tried else preview_of(draft, tried)
    context = {"preview": shown, "draft": draft}
    return render(request, "feedback/builder/_preview_form.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@_of_a_draft
def translations(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """The words of the form beside those in another language. POST saves them."""
    language = request.POST.get("to", request.GET.get("to", ""))
    if request.method == "POST":
        try:
            draft, _ = form_drafts.step(
                draft, lambda document: translate(document, request.POST), revision=_revision(request), by=request.user
            )
        except (ChangedElsewhere, Unstorable) as fault:
            messages.error(request, str(fault))
        else:
            messages.success(request, "Saved.")
        return redirect(f"{request.path}?to={language}")
    context = {"draft": draft, "translation": translation_of(draft.definition, language)}
    return render(request, "feedback/builder/translations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@_of_a_draft
def text(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """The form as YAML, to read, keep elsewhere, and take in again."""
    if request.method != "POST":
        return _text_page(request, draft, _written(draft))
    written = _uploaded(request) or request.POST.get("text", "")
    try:
        definition = form_text.plain(form_text.load(written)) | {"name": draft.slug}
        form_drafts.step(draft, _becomes(definition), revision=_revision(request), by=request.user)
    except (DefinitionInvalid, ChangedElsewhere) as fault:
        return _text_page(request, draft, written, fault=str(fault))
    messages.success(request, "The form is as the text says. Undo takes it back.")
    return redirect("form-builder", draft.slug)


@require_safe
@_of_a_draft
def download(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """The form as a YAML file."""
    response = HttpResponse(_written(draft), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{draft.slug}.yaml"'
    return response


@require_POST
@_of_a_draft
def publish(request: SignedInRequest, /, draft: FormDraft) -> HttpResponse:
    """Make the draft a version of its form, which protocols can name."""
    try:
        form = form_drafts.publish(draft)
    except MalformedForm as fault:
        messages.error(request, f"The form is not published. {fault}")
    else:
        messages.success(request, f"Published as version {form.version}. Protocols can ask it from now on.")
    return redirect("form-builder", draft.slug)


def _require_designer(request: SignedInRequest) -> None:
    if not holds(request.user, Capability.DESIGN_STUDY):
        raise Http404


def _whole(request: SignedInRequest, draft: FormDraft, *, opened: str = "", notice: str = "") -> HttpResponse:
    page = page_of(draft, opened=opened, notice=notice, tried=request.POST)
    return render(request, "feedback/builder/_builder.html", {"page": page, "draft": draft})


def _changed(request: SignedInRequest, draft: FormDraft, notice: str) -> HttpResponse:
    response = _whole(request, draft, notice=notice)
    response["HX-Retarget"], response["HX-Reswap"] = "#builder", "outerHTML"
    return response


def _text_page(request: SignedInRequest, draft: FormDraft, written: str, *, fault: str = "") -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK
    context = {"draft": draft, "text": written, "fault": fault}
    return render(request, "feedback/builder/text.html", context, status=status)


def _written(draft: FormDraft) -> str:
    try:
        return form_text.dump(form_drafts.finished(draft))
    except MalformedForm:  # unfinished, and written as far as it is
        return yaml.safe_dump(draft.definition, sort_keys=False, allow_unicode=True)


def _uploaded(request: SignedInRequest) -> str:
    file = request.FILES.get("file")
    return file.read(form_text.LONGEST + 1).decode("utf-8", errors="replace") if file else ""


def _becomes(definition: Document) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        document.clear()
        document.update(definition)

    return change


def _copied(request: SignedInRequest) -> FormDefinition | None:
    """The form that the new draft starts from: a shipped one, or another draft that is finished."""
    source, _, name = request.POST.get("copy", "").partition(":")
    try:
        if source == "example":
            return forms.example(name)
        if source == "draft":
            return form_drafts.finished(get_object_or_404(form_drafts.visible_to(request.user), slug=name))
    except UnknownForm as fault:
        raise Http404 from fault
    except MalformedForm as fault:
        messages.error(request, f"That form is unfinished, so the new one starts empty. {fault}")
    return None


def _study(request: SignedInRequest) -> str:
    """The study that the draft is for, where the user coordinates it."""
    wanted = request.POST.get("study", "")
    mine = request.user.memberships.filter(study__slug=wanted)
    return wanted if request.user.is_superuser or mine.exists() else ""


def _versions(draft: FormDraft) -> list[Form]:
    return list(Form.objects.filter(slug=draft.slug).order_by("-version"))


def _revision(request: SignedInRequest) -> int:
    given = request.POST.get("revision", "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0
