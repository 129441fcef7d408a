"""What administrators see of the reception: AE titles to edit, everything else to look at."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from dicom_ingest import rules
from dicom_ingest.models import (
    AETitle,
    DiscardedInstance,
    Exam,
    Instance,
    QuarantinedInstance,
    RejectedAssociation,
    Remote,
    Route,
    Series,
)
from dicom_ingest.rule_models import Rule, RuleVerdict, RuleVersion
from portal.models import User


@admin.register(AETitle)
class AETitleAdmin(admin.ModelAdmin[AETitle]):
    """The receiver follows a change within seconds."""

    list_display = ("title", "description", "pipeline", "quiet_period_seconds", "priority", "active")
    list_filter = ("active", "priority")
    search_fields = ("title", "description")
    fieldsets = (
        (None, {"fields": ("title", "description", "pipeline", "quiet_period_seconds", "priority", "active")}),
        (
            "Who may send what",
            {
                "fields": (
                    "accepted_sop_classes",
                    "allowed_calling_aes",
                    "allowed_addresses",
                    "maximum_associations",
                )
            },
        ),
    )


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


@admin.register(DiscardedInstance)
class DiscardedInstanceAdmin(ReadOnlyAdmin):
    list_display = ("discarded_at", "discarded_by", "why", "reason", "called_ae", "calling_ae", "size", "sha256")
    list_filter = ("reason",)


@admin.register(RejectedAssociation)
class RejectedAssociationAdmin(ReadOnlyAdmin):
    list_display = ("last_at", "calling_ae", "called_ae", "address", "explanation", "count")


@admin.register(Rule)
class RuleAdmin(admin.ModelAdmin[Rule]):
    """Saved as on its page, with its versions. A rule that nobody wants is made inactive: its verdicts stay."""

    list_display = ("name", "version", "active", "activated_at", "pipelines", "called_ae_titles")
    list_filter = ("active",)
    readonly_fields = ("version", "activated_at")

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        rules.save(obj, by=request.user if isinstance(request.user, User) else None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RuleVersion)
class RuleVersionAdmin(ReadOnlyAdmin):
    list_display = ("rule", "number", "created_at", "created_by")
    list_select_related = ("rule", "created_by")


@admin.register(RuleVerdict)
class RuleVerdictAdmin(ReadOnlyAdmin):
    list_display = ("version", "exam", "outcome", "judged_at")
    list_filter = ("outcome",)
    list_select_related = ("version__rule", "exam")


@admin.register(Remote)
class RemoteAdmin(admin.ModelAdmin[Remote]):
    """Remote systems; `/pacs/` has the button that tries one."""

    list_display = ("name", "kind", "address", "may_query", "retrieve", "may_send", "active")
    search_fields = ("name",)
    fieldsets = [
        (None, {"fields": ["name", "kind", "active"]}),
        ("DIMSE", {"fields": ["ae_title", "host", "port", "tls", "calling_ae"]}),
        ("DICOMweb", {"fields": ["base_url", "credential", "credential_variable"]}),
        ("Use", {"fields": ["may_query", "retrieve", "may_send", "commitment", "max_parallel", "pause_seconds"]}),
    ]
