"""The REST API's view of exams: read-only, those that the user may see."""

from __future__ import annotations

from django.db.models import Count, Prefetch
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, viewsets

from dicom_ingest.models import Exam, ExamQuerySet, Route, Series


class RouteSerializer(serializers.ModelSerializer[Route]):
    """One way the exam came in."""

    class Meta:
        model = Route
        fields = ["called_ae", "calling_ae", "received_instances", "last_instance_at", "completed_at"]
        read_only_fields = fields


class SeriesSerializer(serializers.ModelSerializer[Series]):
    """One series that no newer result superseded."""

    instances = serializers.IntegerField(source="instance_count", read_only=True)

    class Meta:
        model = Series
        fields = ["series_instance_uid", "origin", "modality", "series_number", "series_description", "instances"]
        read_only_fields = fields


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


@extend_schema_view(
    list=extend_schema(summary="Exams that you may see"), retrieve=extend_schema(summary="One exam by its study UID")
)
class ExamViewSet(viewsets.ReadOnlyModelViewSet[Exam]):
    """Exams, newest first; series that a newer result superseded are left out."""

    serializer_class = ExamSerializer
    filterset_class = ExamFilter
    queryset = Exam.objects.all()
    lookup_field = "study_instance_uid"
    lookup_value_regex = r"[0-9.]+"

    def get_queryset(self) -> ExamQuerySet:
        """Four queries for a page, whatever its length."""
        series = Series.objects.current().annotate(instance_count=Count("instances"))
        visible = Exam.objects.visible_to(self.request.user)
        return (
            Exam.objects.filter(pk__in=visible.values("pk"))
            .order_by("-study_date", "-received_at", "pk")
            .prefetch_related(Prefetch("series", queryset=series), "routes")
        )
