"""The pages of the job engine: the list of jobs, and one job with its steps."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from dicom_ingest.models import Exam
from inference import engine
from inference.models import Job, OperatorRun
from portal import live
from portal.access import Capability, Viewer, holds
from portal.signed_in import SignedInRequest

JOBS_PER_PAGE = 50
THINNEST = 0.4  # percent: a step that took no time is still seen


@dataclass(frozen=True, kw_only=True)
class StateTab:
    """One filter of the list: a state, or all of them, and how many jobs are in it."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One operator on the job's time line. `offset` and `width` are percentages of the operators' total time."""

    run: OperatorRun
    offset: float
    width: float


@require_safe
@login_required
def jobs(request: SignedInRequest) -> HttpResponse:
    """Jobs of the exams that the user looks after, newest first, by state."""
    return render(request, "inference/jobs.html", {"table": _table_part(request)})


@require_safe
@login_required
def jobs_table(request: SignedInRequest) -> HttpResponse:
    """The part of the list that keeps itself up to date."""
    return live.answer(request, _table_part(request))


@require_safe
@login_required
def job(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """One job: what it ran on which series and why, its steps, and how it ended."""
    shown = _job(request.user, job_id)
    return render(request, "inference/job.html", {"job": shown, "progress": _job_part(request, shown)})


@require_safe
@login_required
def job_progress(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """The part of the job's page that keeps itself up to date."""
    return live.answer(request, _job_part(request, _job(request.user, job_id)))


@require_POST
@login_required
def retry(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Queue a failed or cancelled job again."""
    _job(request.user, job_id)
    if engine.retry(job_id):
        messages.success(request, "The job waits for a worker again.")
    else:
        messages.warning(request, "The job was not queued again: it has neither failed nor been cancelled.")
    return redirect("job", job_id)


@require_POST
@login_required
def cancel(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Stop a queued or running job."""
    _job(request.user, job_id)
    if engine.cancel(job_id):
        messages.success(request, "The job is cancelled. A running one stops after its current step.")
    else:
        messages.warning(request, "The job was not cancelled: it had already ended.")
    return redirect("job", job_id)


def bars(runs: list[OperatorRun]) -> list[Bar]:
    """The operators one after the other, as they ran."""
    total = sum(run.seconds for run in runs) or 1.0
    drawn, start = [], 0.0
    for run in runs:
        width = max(100 * run.seconds / total, THINNEST)
        drawn.append(Bar(run=run, offset=round(min(100 * start / total, 100 - width), 2), width=round(width, 2)))
        start += run.seconds
    return drawn


def _visible_jobs(user: Viewer) -> QuerySet[Job]:
    if not holds(user, Capability.VIEW_JOBS):
        raise Http404
    return Job.objects.filter(exam__in=Exam.objects.visible_to(user, Capability.VIEW_JOBS))


def _job(user: Viewer, job_id: UUID) -> Job:
    related = _visible_jobs(user).select_related("pipeline", "exam", "input_series", "superseded_by", "result")
    return get_object_or_404(related, pk=job_id)


def _table_part(request: SignedInRequest) -> SafeString:
    visible = _visible_jobs(request.user)
    state = request.GET.get("state", "")
    chosen = visible.filter(state=state) if state in Job.State.values else visible
    listed = chosen.select_related("pipeline", "exam", "result").order_by("-created_at")
    page: Page[Job] = Paginator(listed, JOBS_PER_PAGE).get_page(request.GET.get("page"))
    address = urlencode({"state": state, "page": page.number})
    return live.part(
        request,
        "inference/jobs_table.html",
        {"page": page, "state": state, "tabs": _tabs(visible)},
        name="jobs-table",
        url=f"{reverse('jobs-table')}?{address}",
        is_final=False,
    )


def _tabs(visible: QuerySet[Job]) -> list[StateTab]:
    counts = dict(visible.order_by().values_list("state").annotate(n=Count("pk")))
    each = [StateTab(value=state.value, label=state.label, count=counts.get(state, 0)) for state in Job.State]
    return [StateTab(value="", label="All", count=sum(counts.values())), *each]


def _job_part(request: SignedInRequest, shown: Job) -> SafeString:
    return live.part(
        request,
        "inference/job_progress.html",
        {"job": shown, "bars": bars(list(shown.operators.all())), "models": shown.pipeline.registered_models.all()},
        name="job-progress",
        url=reverse("job-progress", args=[shown.pk]),
        is_final=shown.is_final,
    )
