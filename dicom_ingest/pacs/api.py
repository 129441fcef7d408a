"""Remotes and transfers over REST: remotes for administrators, transfers to read for those who see their page."""

from __future__ import annotations

from django.core.exceptions import ValidationError as ModelError
from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dicom_ingest.pacs import board, remotes
from dicom_ingest.pacs.errors import PacsError
from dicom_ingest.pacs.models import Remote, Retrieval, Sending, SentInstance
from portal.access import Capability, holds
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User


class IsSuperuser(BasePermission):
    """Administrators of the portal only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and request.user.is_active and request.user.is_superuser


class MayQueryPacs(BasePermission):
    """Those who see the transfers' page."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return holds(request.user, Capability.QUERY_PACS)


class RemoteSerializer(serializers.ModelSerializer[Remote]):
    """A remote system. The credential is named, never shown."""

    class Meta:
        model = Remote
        fields = [
            "id",
            "name",
            "kind",
            "active",
            "ae_title",
            "host",
            "port",
            "tls",
            "calling_ae",
            "base_url",
            "credential",
            "credential_variable",
            "may_query",
            "retrieve",
            "may_send",
            "commitment",
            "max_parallel",
            "pause_seconds",
        ]

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """What the admin's form checks too."""
        before = {field.name: getattr(self.instance, field.name) for field in Remote._meta.fields if self.instance}
        try:
            Remote(**(before | attrs)).clean()
        except ModelError as error:
            raise ValidationError(error.message_dict) from error
        return attrs


@extend_schema_view(list=extend_schema(summary="Remote systems"))
class RemoteViewSet(viewsets.ModelViewSet[Remote]):
    """Remote systems, for administrators."""

    serializer_class = RemoteSerializer
    permission_classes = [IsSuperuser]
    queryset = Remote.objects.all()

    @transaction.atomic
    def perform_create(self, serializer: serializers.BaseSerializer[Remote]) -> None:
        self._save(serializer)

    @transaction.atomic
    def perform_update(self, serializer: serializers.BaseSerializer[Remote]) -> None:
        self._save(serializer)

    def _save(self, serializer: serializers.BaseSerializer[Remote]) -> None:
        remote = serializer.save()
        detail = {"fields": sorted(serializer.validated_data)}
        trail.record(Action.REMOTE_CHANGED, of=f"remote:{remote.pk}", detail=detail)

    def perform_destroy(self, instance: Remote) -> None:
        """One that transfers refer to stays; it can be made inactive."""
        key = f"remote:{instance.pk}"
        try:
            with transaction.atomic():
                instance.delete()
                trail.record(Action.REMOTE_DELETED, of=key)
        except ProtectedError as error:
            raise ValidationError("Transfers refer to it. Set active to false instead.") from error

    @extend_schema(
        summary="Ask the remote whether it is there",
        request=None,
        responses=inline_serializer(
            "EchoAnswer", {"answers": serializers.BooleanField(), "sentence": serializers.CharField()}
        ),
    )
    @action(detail=True, methods=["post"])
    def echo(self, request: Request, pk: str) -> Response:
        """C-ECHO, or a search for one exam where it is a DICOMweb server."""
        try:
            return Response({"answers": True, "sentence": remotes.echo(self.get_object())})
        except PacsError as fault:
            return Response({"answers": False, "sentence": str(fault)}, status=status.HTTP_200_OK)


_TRANSFER = ["id", "state", "reason", "priority", "attempts", "created_at", "started_at", "finished_at"]
_COUNTS = ["completed", "failed", "warning", "remaining"]


class RetrievalSerializer(serializers.ModelSerializer[Retrieval]):
    """An exam being brought in."""

    remote = serializers.CharField(source="remote.name")

    class Meta:
        model = Retrieval
        fields = [
            *_TRANSFER,
            "remote",
            "study_instance_uid",
            "called_ae",
            "completed",
            "failed",
            "warning",
            "remaining",
        ]
        read_only_fields = fields


class SentInstanceSerializer(serializers.ModelSerializer[SentInstance]):
    """One instance on its way out."""

    sop_instance_uid = serializers.CharField(source="instance.sop_instance_uid")

    class Meta:
        model = SentInstance
        fields = ["sop_instance_uid", "state", "reason", "at"]
        read_only_fields = fields


class SendingSerializer(serializers.ModelSerializer[Sending]):
    """Results of an exam on their way to a remote."""

    remote = serializers.CharField(source="remote.name")
    exam = serializers.CharField(source="exam.study_instance_uid", help_text="StudyInstanceUID")
    instances = SentInstanceSerializer(many=True)

    class Meta:
        model = Sending
        fields = [*_TRANSFER, "remote", "exam", "study", "commitment_asked_at", "instances"]
        read_only_fields = fields


class RetrievalViewSet(viewsets.ReadOnlyModelViewSet[Retrieval]):
    """Exams being brought in to AE titles of studies that you coordinate."""

    serializer_class = RetrievalSerializer
    permission_classes = [MayQueryPacs]
    queryset = Retrieval.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Retrieval]:
        return board.retrievals(self.request.user) if isinstance(self.request.user, User) else Retrieval.objects.none()


class SendingViewSet(viewsets.ReadOnlyModelViewSet[Sending]):
    """Results on their way out, with the status of each instance, of studies that you coordinate."""

    serializer_class = SendingSerializer
    permission_classes = [MayQueryPacs]
    queryset = Sending.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Sending]:
        if not isinstance(self.request.user, User):
            return Sending.objects.none()
        return board.sendings(self.request.user).prefetch_related("instances__instance")
