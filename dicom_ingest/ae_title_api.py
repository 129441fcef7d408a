"""AE titles over REST: those who see the reception look, administrators change. The receiver follows within seconds."""

from django.db import transaction
from django.http import Http404
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dicom_ingest.models import AETitle
from portal.access import Capability, holds
from portal.audit import trail
from portal.audit.actions import Action


class AETitleSerializer(serializers.ModelSerializer[AETitle]):
    """A called AE title, and who may send what to it. An empty list is no limit."""

    class Meta:
        model = AETitle
        fields = [
            "id",
            "title",
            "description",
            "pipeline",
            "quiet_period_seconds",
            "priority",
            "active",
            "accepted_sop_classes",
            "allowed_calling_aes",
            "allowed_addresses",
            "maximum_associations",
        ]


class _LookedAtByReceptionChangedByAdministrators(BasePermission):
    """Whoever may not even look gets a resource that does not exist."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        if not holds(request.user, Capability.VIEW_RECEPTION):
            raise Http404
        return request.method in SAFE_METHODS or request.user.is_superuser


class AETitleViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    viewsets.GenericViewSet[AETitle],
):
    """Called AE titles. One is never deleted, since exams name it: make it inactive."""

    queryset = AETitle.objects.all()
    serializer_class = AETitleSerializer
    permission_classes = [_LookedAtByReceptionChangedByAdministrators]

    @transaction.atomic
    def perform_create(self, serializer: serializers.BaseSerializer[AETitle]) -> None:
        self._save(serializer)

    @transaction.atomic
    def perform_update(self, serializer: serializers.BaseSerializer[AETitle]) -> None:
        self._save(serializer)

    def _save(self, serializer: serializers.BaseSerializer[AETitle]) -> None:
        title = serializer.save()
        fields = sorted(serializer.validated_data)
        trail.record(Action.AE_TITLE_CHANGED, of=f"ae-title:{title.pk}", detail={"fields": fields})
