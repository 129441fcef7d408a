from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from studies.models import Membership, ProtocolVersion, StageChange, Study, StudyDestination


class MembershipInline(admin.TabularInline[Membership, Study]):
    model = Membership
    extra = 1
    autocomplete_fields = ("user",)


class _Shown(admin.ModelAdmin[ProtocolVersion | StageChange]):
    """To be looked at: the study's own pages write it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Study)
class StudyAdmin(admin.ModelAdmin[Study]):
    """Who takes part in studies, and which priors are fetched. What its protocol says is written on its own pages."""

    list_display = ("title", "slug", "stage", "ae_title", "form", "created_at")
    list_filter = ("stage",)
    readonly_fields = ("slug", "title", "question", "stage", "readers_are_blinded", "ae_title", "form")
    inlines = (MembershipInline,)

    def said_of(self, obj: Model) -> tuple[str, dict[str, object]]:
        """For the audit trail: the study, and of a membership who is what."""
        if isinstance(obj, Membership):
            return obj.study.slug, {"user": obj.user.get_username(), "role": obj.role}
        return (obj.slug, {}) if isinstance(obj, Study) else ("", {})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(ProtocolVersion)
class ProtocolVersionAdmin(_Shown):
    """Every version of every protocol."""

    list_display = ("__str__", "made_by", "made_at", "frozen_by", "frozen_at", "reason")
    list_filter = ("study",)


@admin.register(StageChange)
class StageChangeAdmin(_Shown):
    """Every step from one stage to the next."""

    list_display = ("study", "before", "after", "made_by", "made_at", "reason")
    list_filter = ("study",)


@admin.register(StudyDestination)
class StudyDestinationAdmin(admin.ModelAdmin[StudyDestination]):
    """Governance decisions on what leaves for where. Only added to; to withdraw one, add another."""

    list_display = ("study", "remote", "what", "reason", "decided_by", "decided_at")
    list_filter = ("study", "remote")
    fields = ("study", "remote", "what", "reason")

    def save_model(
        self, request: HttpRequest, obj: StudyDestination, form: ModelForm[StudyDestination], change: bool
    ) -> None:
        """The decision is that of the administrator who writes it down."""
        if request.user.pk is not None:
            obj.decided_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
