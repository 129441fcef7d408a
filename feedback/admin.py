"""Forms and responses, to look at: nothing reported is edited in place."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from feedback.models import Form, FormDraft, Response


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows that the administration shows and does not touch."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Form)
class FormAdmin(ReadOnlyAdmin):
    list_display = ("slug", "version", "title", "created_at", "frozen_at")


@admin.register(Response)
class ResponseAdmin(ReadOnlyAdmin):
    list_display = ("id", "form", "result", "author", "submitted_at", "amends")
    list_select_related = ("form", "result", "author")
    list_filter = ("form", "source")


@admin.register(FormDraft)
class FormDraftAdmin(ReadOnlyAdmin):
    list_display = ("slug", "name", "study", "updated_by", "updated_at")
    list_select_related = ("updated_by",)
