"""The REST API's view of exams: read-only, those that the user may see."""

from __future__ import annotations

from django.db.models import Prefetch
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dicom_ingest.completion import complete_exam_now, series_state
from dicom_ingest.models import Exam, ExamQuerySet, QuarantinedInstance, Route, Series
from portal.access import Capability
from portal.audit.actions import Action
from portal.audit.rest import PutsViewsOnRecord


class NothingToComplete(APIException):
    """The exam was complete, or is being filed on."""

    status_code = 409
    default_detail = "The exam is complete already, or an instance is being filed. Ask again in a moment."
    default_code = "nothing_to_complete"


class IsAdministrator(BasePermission):
    """Superusers only, as on the reception page."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.is_superuser)


class RouteSerializer(serializers.ModelSerializer[Route]):
    """One way the exam came in."""

    class Meta:
        model = Route
        fields = ["called_ae", "calling_ae", "received_instances", "last_instance_at", "completed_at"]
        read_only_fields = fields


class SeriesSerializer(serializers.ModelSerializer[Series]):
    """One series that no newer result superseded."""

    instances = serializers.IntegerField(source="instance_count", read_only=True)
    last_instance_at = serializers.DateTimeField(source="changed_at", read_only=True)
    state = serializers.SerializerMethodField(help_text="receiving until it was quiet and its metadata are written")

    class Meta:
        model = Series
        fields = [
            "series_instance_uid",
            "origin",
            "modality",
            "series_number",
            "series_description",
            "instances",
            "last_instance_at",
            "state",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "string", "enum": ["receiving", "complete"]})
    def get_state(self, series: Series) -> str:
        """Whether the series was quiet, and nothing has joined it since."""
        return "complete" if series_state(series).is_settled else "receiving"


class ExamSerializer(serializers.ModelSerializer[Exam]):
    """One exam with its series and the routes by which it came."""

    modalities = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField(help_text="receiving until everything sent has arrived, then complete")
    series = SeriesSerializer(many=True, read_only=True)
    routes = RouteSerializer(many=True, read_only=True)

    class Meta:
        model = Exam
        fields = [
            "study_instance_uid",
            "accession_number",
            "patient_id",
            "patient_name",
            "study_date",
            "study_description",
            "modalities",
            "state",
            "received_at",
            "series",
            "routes",
        ]
        read_only_fields = fields

    def get_modalities(self, exam: Exam) -> list[str]:
        """Of the listed series, each once."""
        return sorted({series.modality for series in exam.series.all()})

    @extend_schema_field({"type": "string", "enum": ["receiving", "complete"]})
    def get_state(self, exam: Exam) -> str:
        """Whether everything sent by every route has arrived."""
        routes = exam.routes.all()
        return "complete" if routes and all(route.is_complete for route in routes) else "receiving"


class ExamFilter(filters.FilterSet):
    """Exact matches only."""

    class Meta:
        model = Exam
        fields = ["study_instance_uid", "accession_number", "patient_id"]


class QuarantineSerializer(serializers.ModelSerializer[QuarantinedInstance]):
    """One instance that could not be filed."""

    class Meta:
        model = QuarantinedInstance
        fields = ["id", "reason", "explanation", "called_ae", "calling_ae", "size", "received_at"]
        read_only_fields = fields


@extend_schema_view(
    list=extend_schema(summary="Exams that you may see"), retrieve=extend_schema(summary="One exam by its study UID")
)
class ExamViewSet(PutsViewsOnRecord, viewsets.ReadOnlyModelViewSet[Exam]):
    """Exams, newest first; series that a newer result superseded are left out."""

    viewed_as = Action.EXAM_VIEWED
    listed_as = "api/exams"
    exam_field, key_field = "study_instance_uid", ""
    serializer_class = ExamSerializer
    filterset_class = ExamFilter
    queryset = Exam.objects.all()
    lookup_field = "study_instance_uid"
    lookup_value_regex = r"[0-9.]+"

    def get_queryset(self) -> ExamQuerySet:
        """Four queries for a page, whatever its length."""
        series = Series.objects.current().for_everybody().select_related("exam")
        return (
            Exam.objects.visible_to(self.request.user)
            .newest_first()
            .prefetch_related(Prefetch("series", queryset=series), "routes")
        )

    @extend_schema(
        summary="Complete an exam without waiting",
        description="For those who may send exams. 409 when nothing is open, or an instance is being filed.",
        request=None,
        responses=ExamSerializer,
    )
    @action(detail=True, methods=["post"], url_name="complete-now")
    def complete(self, request: Request, study_instance_uid: str) -> Response:
        """Complete the exam on every route by which it still arrives; a late instance reopens it."""
        exam = self.get_object()
        if not Exam.objects.visible_to(request.user, Capability.SEND_EXAMS).filter(pk=exam.pk).exists():
            self.permission_denied(request, message="No role of yours lets you complete this exam.")
        if not complete_exam_now(exam):
            raise NothingToComplete
        return Response(self.get_serializer(self.get_object()).data)


@extend_schema_view(
    list=extend_schema(summary="What could not be filed, newest first"),
    retrieve=extend_schema(summary="One instance that could not be filed"),
)
class QuarantineViewSet(viewsets.ReadOnlyModelViewSet[QuarantinedInstance]):
    """The quarantine, for superusers. Retry, download and discard on the reception page."""

    serializer_class = QuarantineSerializer
    permission_classes = [IsAdministrator]
    filterset_fields = ["reason", "called_ae", "calling_ae"]
    queryset = QuarantinedInstance.objects.all()
