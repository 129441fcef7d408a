"""The pages of the job engine: the list of jobs, and one job with its steps."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from inference import downloads, engine, job_list, rerun
from inference.models import Job, PipelineLimits
from inference.timeline import timeline
from inference.visibility import may, visible_jobs
from portal import live
from portal.access import Capability, Viewer, holds
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest

RELATED = ("pipeline", "exam", "input_series", "prior_series", "superseded_by", "rerun_of", "result")


@require_safe
@login_required
def jobs(request: SignedInRequest) -> HttpResponse:
    """Jobs of the exams that the user looks after, newest first, by state and other filters."""
    visible = _visible_jobs(request.user)
    shown = job_list.list_of(visible, request.GET)
    trail.record(Action.EXAMS_LISTED, of="jobs", detail={"count": len(shown.page.object_list)})
    context = {"table": _table_part(request, shown), "list": shown, "choices": job_list.choices(visible)}
    return render(request, "inference/jobs.html", context)


@require_safe
@login_required
def jobs_table(request: SignedInRequest) -> HttpResponse:
    """The part of the list that keeps itself up to date."""
    shown = job_list.list_of(_visible_jobs(request.user), request.GET)
    return live.answer(request, _table_part(request, shown))


@require_safe
@login_required
def job(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """One job: what it ran on which series and why, its steps, and how it ended."""
    shown = _job(request.user, job_id)
    trail.record_on_exam(Action.JOB_VIEWED, exam=shown.exam.study_instance_uid, of=str(shown.pk))
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
    _job(request.user, job_id, Capability.MANAGE_JOBS)
    if engine.retry(job_id):
        messages.success(request, "The job waits for a worker again.")
    else:
        messages.warning(request, "The job was not queued again: it has neither failed nor been cancelled.")
    return redirect("job", job_id)


@require_POST
@login_required
def cancel(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Stop a queued or running job."""
    _job(request.user, job_id, Capability.MANAGE_JOBS)
    if engine.cancel(job_id):
        messages.success(request, "The job is cancelled. A running one stops after its current step.")
    else:
        messages.warning(request, "The job was not cancelled: it had already ended.")
    return redirect("job", job_id)


@require_POST
@login_required
def run_again(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Queue a rerun of a job that has a result, and go to it."""
    first = _job(request.user, job_id, Capability.MANAGE_JOBS)
    try:
        again = rerun.queue_rerun(first)
    except rerun.NotRerunnable as fault:
        messages.warning(request, f"The job was not queued again. {fault}")
        return redirect("job", job_id)
    messages.success(request, "The rerun waits for a worker. When it has run, this page says in what it differs.")
    return redirect("job", again.pk)


@require_safe
@login_required
def download(request: SignedInRequest, job_id: UUID, part: downloads.Part) -> HttpResponseBase:
    """What the job read or made, as a zip."""
    shown = _job(request.user, job_id, Capability.EXPORT_FILES)
    try:
        return downloads.response(shown, part)
    except downloads.NothingThere as fault:
        messages.warning(request, f"There is nothing to download. {fault}")
        return redirect("job", job_id)


def _visible_jobs(user: Viewer, capability: Capability = Capability.VIEW_JOBS) -> QuerySet[Job]:
    if not holds(user, capability):
        raise Http404
    return visible_jobs(user, capability)


def _job(user: Viewer, job_id: UUID, capability: Capability = Capability.VIEW_JOBS) -> Job:
    return get_object_or_404(_visible_jobs(user, capability).select_related(*RELATED), pk=job_id)


def _table_part(request: SignedInRequest, shown: job_list.JobList) -> SafeString:
    return live.part(
        request,
        "inference/jobs_table.html",
        {"list": shown, "page": shown.page},
        name="jobs-table",
        url=f"{reverse('jobs-table')}?{shown.address}",
        is_final=False,
    )


def _job_part(request: SignedInRequest, shown: Job) -> SafeString:
    return live.part(
        request,
        "inference/job_progress.html",
        {
            "job": shown,
            "timeline": timeline(list(shown.operators.all())),
            "models": shown.pipeline.registered_models.all(),
            "more_series": shown.more_series.all(),
            "limits": PipelineLimits.objects.filter(name=shown.pipeline.name).first(),
            "reruns": shown.reruns.order_by("-created_at"),
            "may_manage": may(request.user, Capability.MANAGE_JOBS, shown),
            "may_download": may(request.user, Capability.EXPORT_FILES, shown),
        },
        name="job-progress",
        url=reverse("job-progress", args=[shown.pk]),
        is_final=shown.is_final and not shown.waits_for_comparison,
    )
