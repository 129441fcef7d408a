"""What a site decides about its pipelines."""

from django.contrib import admin

from inference.models import PipelineLimits


@admin.register(PipelineLimits)
class PipelineLimitsAdmin(admin.ModelAdmin[PipelineLimits]):
    """How each pipeline is run here. Takes effect with the next job; what comes out does not depend on it."""

    list_display = ("name", "concurrency", "batch_size", "soft_seconds", "hard_seconds", "memory_mb", "is_paused")
    list_editable = ("is_paused",)
    search_fields = ("name",)
