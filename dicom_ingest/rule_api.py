"""Rules and what they said of exams, over REST, read-only."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dicom_ingest.models import Exam
from dicom_ingest.rule_models import Rule, RuleVerdict
from portal.access import Capability, holds
from portal.audit.actions import Action
from portal.audit.rest import PutsViewsOnRecord
from portal.models import User


class ManagesRules(BasePermission):
    """Those who may write rules may read them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and holds(request.user, Capability.MANAGE_RULES)


class RuleSerializer(serializers.ModelSerializer[Rule]):
    """A rule as it stands now."""

    class Meta:
        model = Rule
        fields = [
            "id",
            "name",
            "description",
            "version",
            "expression",
            "pipelines",
            "called_ae_titles",
            "active",
            "activated_at",
        ]
        read_only_fields = fields


class RuleVerdictSerializer(serializers.ModelSerializer[RuleVerdict]):
    """What one version of a rule said of an exam, and why."""

    rule = serializers.CharField(source="version.rule.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    exam = serializers.CharField(source="exam.study_instance_uid", read_only=True)
    called_ae = serializers.CharField(source="route.called_ae", read_only=True)

    class Meta:
        model = RuleVerdict
        fields = ["id", "rule", "version", "exam", "called_ae", "completed_at", "judged_at", "outcome", "explanation"]
        read_only_fields = fields


class RuleVerdictFilter(django_filters.FilterSet):
    """`?exam=` takes the exam's StudyInstanceUID, `?rule=` the rule's id."""

    exam = django_filters.CharFilter(field_name="exam__study_instance_uid", label="StudyInstanceUID of the exam")
    rule = django_filters.NumberFilter(field_name="version__rule", label="The rule's id")
    outcome = django_filters.ChoiceFilter(choices=RuleVerdict.Outcome.choices)

    class Meta:
        model = RuleVerdict
        fields = ["exam", "rule", "outcome"]


@extend_schema_view(list=extend_schema(summary="Routing rules"), retrieve=extend_schema(summary="One routing rule"))
class RuleViewSet(viewsets.ReadOnlyModelViewSet[Rule]):
    """Rules by name, for those who may write them."""

    serializer_class = RuleSerializer
    permission_classes = [ManagesRules]
    queryset = Rule.objects.order_by("name")


@extend_schema_view(
    list=extend_schema(summary="What rules said of exams that you may see"),
    retrieve=extend_schema(summary="One verdict of a rule"),
)
class RuleVerdictViewSet(PutsViewsOnRecord, viewsets.ReadOnlyModelViewSet[RuleVerdict]):
    """Verdicts, newest first; a late instance or a new version of the rule adds one and removes none."""

    viewed_as = Action.EXAM_VIEWED
    listed_as = "api/rule-verdicts"
    serializer_class = RuleVerdictSerializer
    filterset_class = RuleVerdictFilter
    queryset = RuleVerdict.objects.none()

    def get_queryset(self) -> QuerySet[RuleVerdict]:
        """Of exams that the user may see."""
        related = RuleVerdict.objects.select_related("version__rule", "exam", "route")
        return related.filter(exam__in=Exam.objects.visible_to(self.request.user)).order_by("-judged_at", "-pk")
