"""The pages on which routing rules are written, tried, activated and watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Protocol

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dicom_ingest import pipeline_names, rule_files, rule_trial, rules
from dicom_ingest.judging import Outcome
from dicom_ingest.models import AETitle, Exam
from dicom_ingest.rule_models import Rule, RuleVerdict, verdicts_since
from dicom_ingest.rule_trial import Trial
from portal.access import Capability, Viewer, holds
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest

VERDICTS_SHOWN = 50


class _View(Protocol):
    def __call__(self, request: SignedInRequest, /) -> HttpResponse: ...


class _RuleView(Protocol):
    def __call__(self, request: SignedInRequest, /, pk: int) -> HttpResponse: ...


class RuleForm(forms.ModelForm[Rule]):
    """What is written of a rule; its activation is a button of its own."""

    class Meta:
        model = Rule
        fields = ["name", "description", "expression", "pipelines", "called_ae_titles"]
        widgets = {
            "description": forms.TextInput,
            "expression": forms.Textarea(attrs={"rows": 7, "spellcheck": "false", "class": "code"}),
        }


class TrialForm(forms.ModelForm[Rule]):
    """What a trial needs to know: the rule, and how far the trial has come."""

    until = forms.DateTimeField(required=False)
    start = forms.IntegerField(required=False, min_value=0)
    matched = forms.IntegerField(required=False, min_value=0)
    undecided = forms.IntegerField(required=False, min_value=0)

    class Meta:
        model = Rule
        fields = ["expression", "called_ae_titles"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many exams a rule has judged since it is active, by what it said."""

    matched: int = 0
    not_matched: int = 0
    undecided: int = 0


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """A rule in the list."""

    rule: Rule
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class ShownExam:
    """An exam that was judged: named when the user may see it."""

    exam: Exam | None
    outcome: Outcome
    explanation: str
    at: datetime | None = None
    version: int | None = None


def _managers_only(view: _View) -> _View:
    """Others get a page that does not exist."""

    @wraps(view)
    def guarded(request: SignedInRequest, /) -> HttpResponse:
        _require_manager(request.user)
        return view(request)

    return login_required(guarded)


def _managers_only_of_one(view: _RuleView) -> _RuleView:
    @wraps(view)
    def guarded(request: SignedInRequest, /, pk: int) -> HttpResponse:
        _require_manager(request.user)
        return view(request, pk=pk)

    return login_required(guarded)


@require_safe
@_managers_only
def rule_list(request: SignedInRequest, /) -> HttpResponse:
    """Every rule, with what it has judged since it is active."""
    lines = [RuleLine(rule=rule, counts=_counts(rule)) for rule in Rule.objects.all()]
    return render(request, "dicom_ingest/rules.html", {"lines": lines, "examples": rule_files.examples()})


@require_http_methods(["GET", "HEAD", "POST"])
@_managers_only
def new_rule(request: SignedInRequest, /) -> HttpResponse:
    """An empty form, or one filled from a worked example."""
    form = RuleForm(request.POST or None, instance=None if request.POST else _example(request))
    if form.is_valid():
        rule = rules.save(form.instance, by=request.user)
        messages.success(request, "The rule is saved. Try it, then activate it.")
        return redirect("rule", rule.pk)
    return render(request, "dicom_ingest/rule.html", {**_form_context(form), "examples": rule_files.examples()})


@require_http_methods(["GET", "HEAD", "POST"])
@_managers_only_of_one
def rule_page(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """One rule: its wording, what it said of exams, and its versions."""
    shown = get_object_or_404(Rule, pk=pk)
    form = RuleForm(request.POST or None, instance=get_object_or_404(Rule, pk=pk))
    if form.is_valid():
        saved = rules.save(form.instance, by=request.user)
        messages.success(request, f"The rule is saved as version {saved.version}.")
        return redirect("rule", pk)
    trail.record(Action.EXAMS_LISTED, of=f"rule:{pk}")
    context = {
        **_form_context(form),
        "rule": shown,
        "counts": _counts(shown),
        "undecided": _shown_verdicts(RuleVerdict.objects.needing_attention().filter(version__rule=shown), request.user),
        "recent": _shown_verdicts(RuleVerdict.objects.filter(version__rule=shown), request.user),
        "versions": shown.versions.select_related("created_by"),
    }
    return render(request, "dicom_ingest/rule.html", context)


@require_POST
@_managers_only_of_one
def activation(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """Switch a rule on or off."""
    rule = get_object_or_404(Rule, pk=pk)
    if request.POST.get("active") == "yes":
        _activate(request, rule)
    else:
        rules.deactivate(rule)
        messages.success(request, "The rule is asked no more.")
    return redirect("rule", pk)


@require_POST
@_managers_only_of_one
def judge_again(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """Ask the rule once more about exams that it could not decide."""
    count = rules.judge_again(get_object_or_404(Rule, pk=pk))
    messages.success(request, f"It will be asked again about {count} exam{'' if count == 1 else 's'} within seconds.")
    return redirect("rule", pk)


@require_POST
@_managers_only
def trial(request: SignedInRequest, /) -> HttpResponse:
    """Try what stands in the form on the exams that came last. Answers in portions; the page asks for the next one."""
    form = TrialForm(request.POST)
    if not form.is_valid():
        return render(request, "dicom_ingest/_rule_trial.html", {"form": form})
    given = form.cleaned_data
    until = given["until"] or now()
    if not given["start"]:
        trail.record(Action.EXAMS_LISTED, of="rule trial")
    tried = rule_trial.try_rule(form.instance, until=until, start=given["start"] or 0, seconds=rule_trial.SECONDS)
    context = {
        "trial": tried,
        "until": until.isoformat(),
        "matched": (given["matched"] or 0) + tried.count(Outcome.MATCHED),
        "undecided": (given["undecided"] or 0) + tried.count(Outcome.ERROR),
        "lines": _shown_lines(tried, request.user),
    }
    return render(request, "dicom_ingest/_rule_trial.html", context)


def _activate(request: SignedInRequest, rule: Rule) -> None:
    rule.active = True
    try:
        rules.save(rule, by=request.user)
    except ValidationError as fault:
        messages.error(request, f"The rule is not activated. {' '.join(fault.messages)}")
    else:
        messages.success(request, "The rule is asked about every exam that completes from now on.")


def _require_manager(user: Viewer) -> None:
    if not holds(user, Capability.MANAGE_RULES):
        raise Http404


def _example(request: SignedInRequest) -> Rule | None:
    return rule_files.examples().get(request.GET.get("example", ""))


def _form_context(form: RuleForm) -> Mapping[str, object]:
    titles = AETitle.objects.filter(active=True).values_list("title", flat=True)
    return {"form": form, "pipelines": pipeline_names.known(), "ae_titles": titles, "tried": rule_trial.EXAMS}


def _counts(rule: Rule) -> Counts:
    if rule.activated_at is None:
        return Counts()
    found = verdicts_since(rule, rule.activated_at).order_by().values_list("outcome").annotate(n=Count("pk"))
    by_outcome = dict(found)
    return Counts(
        matched=by_outcome.get(Outcome.MATCHED, 0),
        not_matched=by_outcome.get(Outcome.NOT_MATCHED, 0),
        undecided=by_outcome.get(Outcome.ERROR, 0),
    )


def _shown_verdicts(verdicts: QuerySet[RuleVerdict], user: Viewer) -> list[ShownExam]:
    shown = list(verdicts.select_related("exam", "version").order_by("-judged_at")[:VERDICTS_SHOWN])
    visible = _visible(user, [one.exam_id for one in shown])
    return [
        ShownExam(
            exam=one.exam if one.exam_id in visible else None,
            outcome=Outcome(one.outcome),
            explanation=one.explanation if one.exam_id in visible else "",
            at=one.judged_at,
            version=one.version.number,
        )
        for one in shown
    ]


def _shown_lines(tried: Trial, user: Viewer) -> list[ShownExam]:
    visible = _visible(user, [line.exam.pk for line in tried.lines])
    return [
        ShownExam(
            exam=line.exam if line.exam.pk in visible else None,
            outcome=line.judgement.outcome,
            explanation=line.judgement.explanation if line.exam.pk in visible else "",
        )
        for line in tried.lines
    ]


def _visible(user: Viewer, keys: list[int]) -> set[int]:
    return set(Exam.objects.visible_to(user).filter(pk__in=keys).values_list("pk", flat=True))
