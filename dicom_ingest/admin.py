"""What administrators see of the reception: AE titles to edit, everything else to look at."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from dicom_ingest.models import AETitle, Exam, Instance, QuarantinedInstance, RejectedAssociation, Route, Series


@admin.register(AETitle)
class AETitleAdmin(admin.ModelAdmin[AETitle]):
    """The receiver follows a change within seconds."""

    list_display = ("title", "description", "pipeline", "quiet_period_seconds", "active")
    search_fields = ("title", "description")


class ReadOnlyAdmin(admin.ModelAdmin[Model]):
    """Received data are looked at here, not changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Exam)
class ExamAdmin(ReadOnlyAdmin):
    list_display = ("study_instance_uid", "accession_number", "study_date", "study_description", "received_at")
    search_fields = ("study_instance_uid", "accession_number", "patient_id")


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    list_display = ("exam", "called_ae", "calling_ae", "received_instances", "last_instance_at", "completed_at")
    list_filter = ("called_ae",)
    list_select_related = ("exam",)
    exclude = ("instances",)


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    list_display = ("series_instance_uid", "modality", "series_number", "series_description", "origin", "changed_at")
    list_filter = ("origin", "modality")
    search_fields = ("series_instance_uid", "exam__study_instance_uid")


@admin.register(Instance)
class InstanceAdmin(ReadOnlyAdmin):
    list_display = ("sop_instance_uid", "instance_number", "size", "repeats", "received_at")
    search_fields = ("sop_instance_uid", "series__series_instance_uid")
    exclude = ("frames",)


@admin.register(QuarantinedInstance)
class QuarantinedInstanceAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "reason", "explanation", "called_ae", "calling_ae", "size")
    list_filter = ("reason",)


@admin.register(RejectedAssociation)
class RejectedAssociationAdmin(ReadOnlyAdmin):
    list_display = ("last_at", "calling_ae", "called_ae", "address", "explanation", "count")
