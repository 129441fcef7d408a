"""The pages of models: which there are, and one with its card, files and history."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dicom_ingest.models import Exam
from inference import model_registry
from inference.errors import ModelRefused
from inference.models import Job, PipelineVersion, RegisteredModel
from inference.stage_models import Stage
from portal.access import Capability, Viewer, holds
from portal.models import User
from portal.signed_in import SignedInRequest


@dataclass(frozen=True, kw_only=True)
class ModelLine:
    """A model in the list, and the names of the pipelines that use it."""

    model: RegisteredModel
    pipelines: list[str]


class StageForm(forms.Form):
    """Where a model goes next, and why."""

    to = forms.ChoiceField(label="New stage", widget=forms.Select(attrs={"class": "form-select"}))
    reason = forms.CharField(
        label="Why", widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"})
    )

    def __init__(self, data: QueryDict | None = None, *, model: RegisteredModel) -> None:
        super().__init__(data, label_suffix="")
        chosen = self.fields["to"]
        assert isinstance(chosen, forms.ChoiceField)
        chosen.choices = [(stage.value, stage.label) for stage in model_registry.NEXT[Stage(model.stage)]]


@require_safe
@login_required
def models(request: SignedInRequest) -> HttpResponse:
    """Every model of this installation, old versions too."""
    _require_viewer(request.user)
    users: defaultdict[int, set[str]] = defaultdict(set)
    pins = PipelineVersion.registered_models.through.objects.values_list("registeredmodel_id", "pipelineversion__name")
    for model_id, pipeline in pins:
        users[model_id].add(pipeline)
    lines = [ModelLine(model=model, pipelines=sorted(users[model.pk])) for model in RegisteredModel.objects.all()]
    return render(request, "inference/models.html", {"lines": lines})


@require_safe
@login_required
def model(request: SignedInRequest, model_id: int) -> HttpResponse:
    """One model: what it is for, its limits, its files, its history, and how many jobs it has had."""
    _require_viewer(request.user)
    shown = get_object_or_404(RegisteredModel, pk=model_id)
    return _page(request, shown, StageForm(model=shown))


@require_POST
@login_required
def stage(request: SignedInRequest, model_id: int) -> HttpResponse:
    """Take the model to another stage; for administrators."""
    if not _is_administrator(request.user):
        raise Http404
    shown = get_object_or_404(RegisteredModel, pk=model_id)
    form = StageForm(request.POST, model=shown)
    if not form.is_valid():
        return _page(request, shown, form)
    try:
        change = model_registry.move(
            shown.pk,
            to=Stage(form.cleaned_data["to"]),
            by=request.user.get_username(),
            reason=form.cleaned_data["reason"],
        )
    except ModelRefused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, shown, form)
    messages.success(request, f"{shown} went from {change}.")
    return redirect("model", shown.pk)


def _page(request: SignedInRequest, shown: RegisteredModel, form: StageForm) -> HttpResponse:
    visible = Exam.objects.visible_to(request.user, Capability.VIEW_JOBS)
    jobs = Job.objects.filter(pipeline__registered_models=shown, exam__in=visible)
    page = {
        "model": shown,
        "pipelines": model_registry.pipelines_using(shown),
        "jobs": jobs.count(),
        "changes": shown.stage_changes.all(),
        "form": form if _is_administrator(request.user) else None,
    }
    return render(request, "inference/model.html", page)


def _require_viewer(user: Viewer) -> None:
    """Others get a page that does not exist."""
    if not holds(user, Capability.VIEW_JOBS):
        raise Http404


def _is_administrator(user: Viewer) -> bool:
    return isinstance(user, User) and user.is_active and user.is_superuser
