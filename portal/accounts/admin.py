from django.contrib import admin
from django.http import HttpRequest

from portal.accounts.models import DirectoryAccount


@admin.register(DirectoryAccount)
class DirectoryAccountAdmin(admin.ModelAdmin[DirectoryAccount]):
    """Which accounts the directory keeps. Adding one hands a local account over to it; removing one hands it back."""

    list_display = ("user", "dn", "confirmed_at", "closed", "closed_at")
    list_filter = ("closed",)
    search_fields = ("user__username", "dn")
    autocomplete_fields = ("user",)
    fields = ("user",)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
