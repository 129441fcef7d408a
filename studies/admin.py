from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from studies.models import Membership, Study, StudyDestination


class MembershipInline(admin.TabularInline[Membership, Study]):
    model = Membership
    extra = 1
    autocomplete_fields = ("user",)


@admin.register(Study)
class StudyAdmin(admin.ModelAdmin[Study]):
    """Studies and who takes part in them."""

    list_display = ("title", "slug", "ae_title", "form", "created_at")
    prepopulated_fields = {"slug": ("title",)}
    inlines = (MembershipInline,)

    def said_of(self, obj: Model) -> tuple[str, dict[str, object]]:
        """For the audit trail: the study, and of a membership who is what."""
        if isinstance(obj, Membership):
            return obj.study.slug, {"user": obj.user.get_username(), "role": obj.role}
        return (obj.slug, {}) if isinstance(obj, Study) else ("", {})


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
