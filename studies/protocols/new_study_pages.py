"""The list of studies, and the page on which one begins: from a template, from a file, or empty."""

from __future__ import annotations

import re
import unicodedata

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe
from pydantic import ValidationError

from inference.errors import DefinitionInvalid
from portal.access import Role
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.models import Membership, Study
from studies.protocols import protocol, protocol_starts
from studies.protocols.protocol_document import LONGEST, parse
from studies.protocols.protocol_schema import Protocol
from studies.protocols.section_faults import sentence
from studies.reading.worklist import study_lines
from studies.refusals import ProtocolRefused


def may_create(user: User) -> bool:
    """Whether `user` may begin a study: superusers, whom Django's permission `studies.add_study` lets, and who
    coordinates a study already."""
    if user.has_perm("studies.add_study"):
        return True
    return Membership.objects.in_force().filter(user=user, role=Role.COORDINATOR).exists()


class StartForm(forms.Form):
    """How a new study is called, and where its exams come to."""

    title = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"class": "form-control", "autofocus": True}))
    ae_title = forms.CharField(
        max_length=16,
        label="AE title",
        help_text="Where its exams are sent to. It can be changed until the protocol freezes.",
        widget=forms.TextInput(attrs={"class": "form-control code", "autocomplete": "off"}),
    )
    slug = forms.CharField(
        max_length=100,
        required=False,
        label="Short name",
        help_text="Stands in addresses; made of the title when it is left empty. It stays.",
        widget=forms.TextInput(attrs={"class": "form-control code", "autocomplete": "off"}),
    )
    start = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_slug(self) -> str:
        """The short name, or one that is made of the title."""
        return str(self.cleaned_data["slug"]).strip() or free_name(str(self.cleaned_data.get("title", "")))


class FileForm(forms.Form):
    """A protocol that was exported."""

    file = forms.FileField(label="Protocol", widget=forms.FileInput(attrs={"class": "form-control", "accept": ".yaml"}))
    file_slug = forms.CharField(
        max_length=100,
        required=False,
        label="Short name",
        help_text="Made of the protocol's title when it is left empty.",
        widget=forms.TextInput(attrs={"class": "form-control code", "autocomplete": "off"}),
    )


@require_safe
@login_required
def studies(request: SignedInRequest) -> HttpResponse:
    """The studies of the user, with their stage and how they flow."""
    context = {"lines": study_lines(request.user), "may_create": may_create(request.user)}
    return render(request, "studies/studies.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: SignedInRequest) -> HttpResponse:
    """Begin a study."""
    if not may_create(request.user):
        raise Http404
    start, file = StartForm(label_suffix=""), FileForm(label_suffix="")
    if request.method == "POST" and "from_file" in request.POST:
        file = FileForm(request.POST, request.FILES, label_suffix="")
        if (begun := _from_file(request, file)) is not None:
            return begun
    elif request.method == "POST":
        start = StartForm(request.POST, label_suffix="")
        if (begun := _from_start(request, start)) is not None:
            return begun
    context = {"form": start, "file_form": file, "templates": protocol_starts.templates(), "chosen": _chosen(start)}
    return render(request, "studies/new_study.html", context)


def short_name(title: str) -> str:
    """A short name made of a title: its letters and digits, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")


def free_name(title: str) -> str:
    """The short name made of a title, with a number behind it where a study has it already."""
    stem = short_name(title)
    taken = set(Study.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    others = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (stem, *others) if name not in taken)


def _chosen(form: StartForm) -> str:
    return str(form.data.get("start", "")) if form.is_bound else ""


def _from_start(request: SignedInRequest, form: StartForm) -> HttpResponse | None:
    if not form.is_valid():
        return None
    given = form.cleaned_data
    names = {"title": given["title"], "ae_title": given["ae_title"]}
    try:
        written = (
            protocol_starts.from_template(given["start"], **names) if given["start"] else protocol_starts.empty(**names)
        )
    except ValidationError as fault:
        for error in fault.errors():
            form.add_error("ae_title" if "ae_title" in error["loc"] else "title", sentence(error))
        return None
    except protocol_starts.UnknownTemplate as fault:
        raise Http404 from fault
    return _begin(request, written, given["slug"], form, "slug")


def _from_file(request: SignedInRequest, form: FileForm) -> HttpResponse | None:
    if not form.is_valid():
        return None
    try:
        written = parse(_text(form.cleaned_data["file"]))
    except DefinitionInvalid as fault:
        for problem in fault.problems:
            form.add_error("file", f"Line {problem.line}, {problem.field}: {problem.expected}.".replace("..", "."))
        return None
    except ValueError as fault:
        form.add_error("file", str(fault))
        return None
    return _begin(request, written, form.cleaned_data["file_slug"] or free_name(written.title), form, "file_slug")


def _text(file: UploadedFile[bytes]) -> str:
    if (file.size or 0) > 4 * LONGEST:
        raise ValueError("The file is too large for a protocol. Choose the YAML that was exported.")
    try:
        return bytes(file.read()).decode("utf-8")
    except UnicodeDecodeError as fault:
        raise ValueError("The file is not text. Choose the YAML that was exported.") from fault


def _begin(
    request: SignedInRequest, written: Protocol, slug: str, form: forms.Form, name_of_slug: str
) -> HttpResponse | None:
    try:
        study = protocol.begin(written, slug=slug, by=request.user)
    except ProtocolRefused as fault:
        form.add_error(name_of_slug, str(fault))
        return None
    messages.success(request, "The study is begun. What is still missing stands on the right.")
    return redirect("study-protocol", study.slug)
