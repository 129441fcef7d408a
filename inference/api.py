"""Jobs and results over REST, read-only, limited to exams that the caller may see."""

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request

from dicom_ingest.models import Exam
from inference.models import Job, Measurement, OperatorRun, PipelineVersion, Result


class ExamFilter(django_filters.FilterSet):
    """`?exam=` takes the exam's StudyInstanceUID."""

    exam = django_filters.CharFilter(field_name="exam__study_instance_uid", label="StudyInstanceUID of the exam")


class JobFilter(ExamFilter):
    state = django_filters.ChoiceFilter(choices=Job.State.choices)

    class Meta:
        model = Job
        fields = ["exam", "state"]


class ResultFilter(ExamFilter):
    class Meta:
        model = Result
        fields = ["exam", "job"]


class PipelineSerializer(serializers.ModelSerializer[PipelineVersion]):
    class Meta:
        model = PipelineVersion
        fields = ["name", "version", "digest", "title"]


class OperatorRunSerializer(serializers.ModelSerializer[OperatorRun]):
    class Meta:
        model = OperatorRun
        fields = ["step", "operator", "seconds", "peak_memory_mb"]


class JobSerializer(serializers.ModelSerializer[Job]):
    exam = serializers.CharField(source="exam.study_instance_uid", help_text="StudyInstanceUID")
    pipeline = PipelineSerializer()
    input_series_uid = serializers.CharField(source="input_series.series_instance_uid", default=None)
    operators = OperatorRunSerializer(many=True)
    result = serializers.PrimaryKeyRelatedField[Result](read_only=True, default=None)

    class Meta:
        model = Job
        fields = [
            "id",
            "exam",
            "pipeline",
            "input_series_uid",
            "selection",
            "state",
            "reason",
            "attempts",
            "max_attempts",
            "created_at",
            "started_at",
            "finished_at",
            "seconds",
            "operators",
            "superseded_by",
            "result",
        ]


class MeasurementSerializer(serializers.ModelSerializer[Measurement]):
    class Meta:
        model = Measurement
        fields = ["name", "value", "unit"]


class ResultSerializer(serializers.ModelSerializer[Result]):
    exam = serializers.CharField(source="exam.study_instance_uid", help_text="StudyInstanceUID")
    state = serializers.ChoiceField(source="job.state", choices=Job.State.choices)
    pipeline = serializers.CharField(source="job.pipeline.name")
    pipeline_version = serializers.CharField(source="job.pipeline.version")
    pipeline_digest = serializers.CharField(source="job.pipeline.digest")
    model_digest = serializers.SerializerMethodField(help_text="SHA-256 of the pipeline's first model")
    model_digests = serializers.SerializerMethodField(help_text="SHA-256 by model name and version")
    seconds = serializers.FloatField(source="job.seconds")
    timings = OperatorRunSerializer(source="job.operators", many=True)
    measurements = MeasurementSerializer(many=True)
    segmentation_series_uid = serializers.CharField(source="segmentation.series_instance_uid", default=None)

    class Meta:
        model = Result
        fields = [
            "id",
            "exam",
            "job",
            "state",
            "pipeline",
            "pipeline_version",
            "pipeline_digest",
            "model_digest",
            "model_digests",
            "seconds",
            "timings",
            "measurements",
            "segmentation_series_uid",
            "created_at",
        ]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_model_digest(self, result: Result) -> str | None:
        return next((model.digest for model in result.job.pipeline.registered_models.all()), None)

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_model_digests(self, result: Result) -> dict[str, str]:
        return {str(model): model.digest for model in result.job.pipeline.registered_models.all()}


class JobViewSet(viewsets.ReadOnlyModelViewSet[Job]):
    """Jobs: what was run on which exam, how it ended, and why."""

    serializer_class = JobSerializer
    filterset_class = JobFilter
    queryset = Job.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Job]:
        return (
            Job.objects.filter(exam__in=Exam.objects.visible_to(self.request.user))
            .select_related("exam", "pipeline", "input_series", "result")
            .prefetch_related("operators")
        )


class ResultViewSet(viewsets.ReadOnlyModelViewSet[Result]):
    """Results: what a job measured, and the series of its segmentation."""

    serializer_class = ResultSerializer
    filterset_class = ResultFilter
    queryset = Result.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Result]:
        return (
            Result.objects.filter(exam__in=Exam.objects.visible_to(self.request.user))
            .select_related("exam", "job__pipeline", "segmentation")
            .prefetch_related("job__operators", "job__pipeline__registered_models", "measurements")
        )
