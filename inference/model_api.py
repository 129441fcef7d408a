"""Models over REST, read-only, for those who see their pages."""

from __future__ import annotations

import django_filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from inference import model_registry
from inference.models import RegisteredModel
from inference.stage_models import Stage, StageChange
from portal.access import Capability, holds


class SeesModels(BasePermission):
    """Those who see the job engine's log."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return holds(request.user, Capability.VIEW_JOBS)


class ModelFilter(django_filters.FilterSet):
    stage = django_filters.ChoiceFilter(choices=Stage.choices)

    class Meta:
        model = RegisteredModel
        fields = ["name", "version", "digest", "stage"]


class StageChangeSerializer(serializers.ModelSerializer[StageChange]):
    class Meta:
        model = StageChange
        fields = ["before", "after", "at", "by", "reason"]


class RegisteredModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    """A model. `digest` is the SHA-256 over the lines of `sha256sum` for its files in the order of their names."""

    files = serializers.DictField(child=serializers.CharField(), help_text="SHA-256 by file name")
    card = serializers.DictField(help_text="Intended use, training data, limits, licence, contact, performance")
    is_demonstration = serializers.BooleanField(help_text="Shows how a pipeline works; not for clinical use")
    pipelines = serializers.SerializerMethodField(help_text="Names of the pipelines that use it")
    stage_changes = StageChangeSerializer(many=True, help_text="The latest first")

    class Meta:
        model = RegisteredModel
        fields = [
            "id",
            "name",
            "version",
            "digest",
            "backend",
            "stage",
            "signed_by",
            "is_demonstration",
            "files",
            "source",
            "card",
            "pipelines",
            "stage_changes",
            "registered_at",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_pipelines(self, model: RegisteredModel) -> list[str]:
        return model_registry.pipelines_using(model)


class RegisteredModelViewSet(viewsets.ReadOnlyModelViewSet[RegisteredModel]):
    """Models of this installation: what each is for, its limits, its files, its stage and how it came there."""

    permission_classes = [SeesModels]
    serializer_class = RegisteredModelSerializer
    filterset_class = ModelFilter
    queryset = RegisteredModel.objects.prefetch_related("stage_changes")
