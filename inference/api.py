"""Jobs, results and pipelines over REST, limited to exams that the caller may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inference import downloads, engine, rerun
from inference.filters import JobFilter, ResultFilter
from inference.models import Job, PipelineLimits, PipelineVersion, Result
from inference.serializers import JobSerializer, PipelineVersionSerializer, ResultSerializer
from inference.visibility import listed_jobs, listed_results, may
from portal.access import Capability, holds
from portal.audit.actions import Action
from portal.audit.rest import PutsViewsOnRecord

ZIP = {(200, "application/zip"): OpenApiTypes.BINARY}
REFUSAL = OpenApiResponse(
    inline_serializer("JobRefusal", {"detail": serializers.CharField()}), description="Its state does not allow it."
)


class NotInThatState(APIException):
    """The job's state does not allow what was asked."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class ViewsJobs(BasePermission):
    """Those who see the jobs' page."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return holds(request.user, Capability.VIEW_JOBS)


@extend_schema_view(list=extend_schema(summary="Jobs, newest first"), retrieve=extend_schema(summary="One job"))
class JobViewSet(PutsViewsOnRecord, viewsets.ReadOnlyModelViewSet[Job]):
    """Jobs: what was run on which exam, how it ended, and why."""

    viewed_as = Action.JOB_VIEWED
    listed_as = "api/jobs"
    serializer_class = JobSerializer
    filterset_class = JobFilter
    queryset = Job.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Job]:
        related = listed_jobs(self.request.user).select_related("exam", "pipeline", "input_series", "result")
        return related.defer("log").prefetch_related("operators")

    @extend_schema(
        summary="Queue a failed or cancelled job again", request=None, responses={200: JobSerializer, 409: REFUSAL}
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """For those who manage the study's jobs."""
        return self._change(engine.retry, "It has neither failed nor been cancelled, so it is not queued again.")

    @extend_schema(summary="Cancel a queued or running job", request=None, responses={200: JobSerializer, 409: REFUSAL})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """For those who manage the study's jobs. A running one stops after its current step."""
        return self._change(engine.cancel, "It had already ended, so there is nothing to cancel.")

    @extend_schema(summary="Run a job again to compare", request=None, responses={201: JobSerializer, 409: REFUSAL})
    @action(detail=True, methods=["post"])
    def rerun(self, request: Request, pk: str) -> Response:
        """For those who manage the study's jobs. The answer is the new job; its `comparison` comes when it has run."""
        first = self._allowed(Capability.MANAGE_JOBS)
        try:
            queued = rerun.queue_rerun(first)
        except rerun.NotRerunnable as fault:
            raise NotInThatState(str(fault)) from fault
        return Response(self.get_serializer(queued).data, status=status.HTTP_201_CREATED)

    @extend_schema(summary="The job's log", responses={(200, "text/plain"): OpenApiTypes.STR})
    @action(detail=True)
    def log(self, request: Request, pk: str) -> HttpResponse:
        """For those who see the jobs' page."""
        return HttpResponse(self._allowed(Capability.VIEW_JOBS).log, content_type="text/plain; charset=utf-8")

    @extend_schema(summary="The DICOM files that the job read, as a zip", responses=ZIP)
    @action(detail=True)
    def inputs(self, request: Request, pk: str) -> StreamingHttpResponse:
        """For those who may download files of the study's exams."""
        return self._download("inputs")

    @extend_schema(summary="What the job made, as a zip", responses=ZIP)
    @action(detail=True)
    def outputs(self, request: Request, pk: str) -> StreamingHttpResponse:
        """DICOM objects, other files, and `results.json`. For those who may download files of the study's exams."""
        return self._download("outputs")

    def _allowed(self, capability: Capability) -> Job:
        job: Job = self.get_object()
        if not may(self.request.user, capability, job):
            self.permission_denied(self.request, message="No role of yours lets you do this with this exam's jobs.")
        return job

    def _change(self, change: Callable[[UUID], bool], otherwise: str) -> Response:
        if not change(self._allowed(Capability.MANAGE_JOBS).pk):
            raise NotInThatState(otherwise)
        return Response(self.get_serializer(self.get_object()).data)

    def _download(self, part: downloads.Part) -> StreamingHttpResponse:
        job = self._allowed(Capability.EXPORT_FILES)
        try:
            return downloads.response(job, part)
        except downloads.NothingThere as fault:
            raise Http404(str(fault)) from fault


@extend_schema_view(list=extend_schema(summary="Results, newest first"), retrieve=extend_schema(summary="One result"))
class ResultViewSet(PutsViewsOnRecord, viewsets.ReadOnlyModelViewSet[Result]):
    """Results: what a job measured and found, the files of it, and how far other pipelines agree."""

    viewed_as = Action.RESULT_VIEWED
    listed_as = "api/results"
    serializer_class = ResultSerializer
    filterset_class = ResultFilter
    queryset = Result.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Result]:
        related = listed_results(self.request.user).select_related("exam", "job__pipeline", "segmentation")
        return related.prefetch_related(
            "job__operators",
            "job__pipeline__registered_models",
            "measurements",
            "findings",
            "files__series",
            "agreements_as_first",
            "agreements_as_second",
        )


@extend_schema_view(
    list=extend_schema(summary="Versions of pipelines that were run, by name, newest first"),
    retrieve=extend_schema(summary="One version of a pipeline"),
)
class PipelineViewSet(viewsets.ReadOnlyModelViewSet[PipelineVersion]):
    """Pipelines with their digests, models and limits, for those who see the jobs' page."""

    serializer_class = PipelineVersionSerializer
    permission_classes = [ViewsJobs]
    filterset_fields = ["name", "version", "digest"]
    queryset = PipelineVersion.objects.prefetch_related("registered_models").order_by("name", "-created_at")

    def get_serializer_context(self) -> dict[str, Any]:
        limits = {} if getattr(self, "swagger_fake_view", False) else _limits()
        return {**super().get_serializer_context(), "limits": limits}


def _limits() -> dict[str, PipelineLimits]:
    return {limits.name: limits for limits in PipelineLimits.objects.all()}
