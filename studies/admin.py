from django.contrib import admin

from studies.models import Membership, Study


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
