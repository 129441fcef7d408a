"""What REST says of jobs, results and pipelines."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inference import triage
from inference.models import (
    Agreement,
    Finding,
    Job,
    Measurement,
    OperatorRun,
    PipelineLimits,
    PipelineVersion,
    RegisteredModel,
    Result,
    ResultObject,
)


class PipelineSerializer(serializers.ModelSerializer[PipelineVersion]):
    class Meta:
        model = PipelineVersion
        fields = ["name", "version", "digest", "title"]


class ModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    class Meta:
        model = RegisteredModel
        fields = ["name", "version", "digest", "backend"]


class LimitsSerializer(serializers.ModelSerializer[PipelineLimits]):
    class Meta:
        model = PipelineLimits
        fields = ["concurrency", "batch_size", "soft_seconds", "hard_seconds", "memory_mb", "is_paused"]


class PipelineVersionSerializer(serializers.ModelSerializer[PipelineVersion]):
    """One version of a pipeline as it was run. `limits` hold for all versions of that name; null where none are set."""

    models = ModelSerializer(source="registered_models", many=True)
    is_demonstration = serializers.BooleanField()
    limits = serializers.SerializerMethodField()

    class Meta:
        model = PipelineVersion
        fields = ["id", "name", "version", "digest", "title", "is_demonstration", "created_at", "models", "limits"]

    @extend_schema_field(LimitsSerializer(allow_null=True))
    def get_limits(self, version: PipelineVersion) -> dict[str, object] | None:
        limits: PipelineLimits | None = self.context["limits"].get(version.name)
        return dict(LimitsSerializer(limits).data) if limits else None


class OperatorRunSerializer(serializers.ModelSerializer[OperatorRun]):
    class Meta:
        model = OperatorRun
        fields = ["step", "operator", "started", "seconds", "peak_memory_mb"]


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
            "priority",
            "input_series_uid",
            "selection",
            "state",
            "reason",
            "attempts",
            "max_attempts",
            "created_at",
            "not_before",
            "started_at",
            "finished_at",
            "seconds",
            "peak_memory_mb",
            "operators",
            "superseded_by",
            "rerun_of",
            "comparison",
            "result",
        ]


class MeasurementSerializer(serializers.ModelSerializer[Measurement]):
    class Meta:
        model = Measurement
        fields = ["name", "value", "unit", "structure"]


class FindingSerializer(serializers.ModelSerializer[Finding]):
    """A box in one image, its edges in pixels of the original image, or a class of the whole exam."""

    probabilities = serializers.DictField(child=serializers.FloatField())

    class Meta:
        model = Finding
        fields = [
            "kind",
            "name",
            "label",
            "probability",
            "probabilities",
            "sop_instance_uid",
            "top",
            "left",
            "bottom",
            "right",
        ]


class ResultObjectSerializer(serializers.ModelSerializer[ResultObject]):
    """`series_uid` is null for what is not DICOM."""

    series_uid = serializers.CharField(source="series.series_instance_uid", default=None)

    class Meta:
        model = ResultObject
        fields = ["kind", "description", "series_uid", "sha256", "bytes"]


class AgreementSerializer(serializers.ModelSerializer[Agreement]):
    class Meta:
        model = Agreement
        fields = ["first", "second", "structure", "dice", "first_ml", "second_ml"]


class ResultSerializer(serializers.ModelSerializer[Result]):
    exam = serializers.CharField(source="exam.study_instance_uid", help_text="StudyInstanceUID")
    state = serializers.ChoiceField(source="job.state", choices=Job.State.choices)
    pipeline = serializers.CharField(source="job.pipeline.name")
    pipeline_version = serializers.CharField(source="job.pipeline.version")
    pipeline_digest = serializers.CharField(source="job.pipeline.digest")
    is_demonstration = serializers.BooleanField(source="job.pipeline.is_demonstration")
    model_digest = serializers.SerializerMethodField(help_text="SHA-256 of the pipeline's first model")
    model_digests = serializers.SerializerMethodField(help_text="SHA-256 by model name and version")
    seconds = serializers.FloatField(source="job.seconds")
    timings = OperatorRunSerializer(source="job.operators", many=True)
    measurements = MeasurementSerializer(many=True)
    findings = FindingSerializer(many=True)
    urgent_because = serializers.SerializerMethodField(help_text="What makes it urgent, with the probability of each")
    notes = serializers.SerializerMethodField(help_text="Why a measurement is not there, a sentence each")
    files = ResultObjectSerializer(many=True)
    agreements = serializers.SerializerMethodField(help_text="With other pipelines' results of the same exam")
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
            "is_demonstration",
            "model_digest",
            "model_digests",
            "seconds",
            "timings",
            "measurements",
            "findings",
            "is_urgent",
            "urgent_because",
            "notes",
            "files",
            "agreements",
            "segmentation_series_uid",
            "created_at",
        ]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_model_digest(self, result: Result) -> str | None:
        return next((model.digest for model in result.job.pipeline.registered_models.all()), None)

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_model_digests(self, result: Result) -> dict[str, str]:
        return {str(model): model.digest for model in result.job.pipeline.registered_models.all()}

    @extend_schema_field(serializers.DictField(child=serializers.FloatField()))
    def get_urgent_because(self, result: Result) -> dict[str, float]:
        return {cause.label: cause.probability for cause in triage.causes(result)}

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notes(self, result: Result) -> list[str]:
        return result.notes.splitlines()

    @extend_schema_field(AgreementSerializer(many=True))
    def get_agreements(self, result: Result) -> list[dict[str, object]]:
        rows = [*result.agreements_as_first.all(), *result.agreements_as_second.all()]
        return [dict(AgreementSerializer(row).data) for row in rows]
