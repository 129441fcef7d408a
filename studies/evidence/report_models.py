"""Reports for the governance board: asked for, made by a worker, and kept as they were made."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

PATIENCE = timedelta(minutes=5)
"""After so long a report that is being made is made again: its worker died."""


class StudyReportQuerySet(models.QuerySet["StudyReport"]):
    def waiting(self) -> StudyReportQuerySet:
        """Those to be made, the longest wait first."""
        state = StudyReport.State
        lost = Q(state=state.MAKING, begun_at__lt=now() - PATIENCE)
        return self.filter(Q(state=state.WAITING) | lost).order_by("asked_at", "pk")


class StudyReport(models.Model):
    """A study's numbers as one document. `content` is a PDF once it is made; it never changes afterwards."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for a worker"
        MAKING = "making", "Being made"
        DONE = "done", "Made"
        FAILED = "failed", "Could not be made"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="reports")
    is_pilot = models.BooleanField(default=False)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=now)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    step = models.PositiveSmallIntegerField(default=0, help_text="How many of its steps are done")
    begun_at = models.DateTimeField(null=True, blank=True)
    made_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why it could not be made, in words")
    content = models.BinaryField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    numbers = models.PositiveIntegerField(default=0, help_text="How many numbers it shows")
    numbers_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the numbers, as the page gives it")

    objects = StudyReportQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "is_pilot"],
                condition=Q(state__in=["waiting", "making"]),
                name="one_report_in_the_making",
            )
        ]

    def __str__(self) -> str:
        return f"report of {self.study_id}, {self.get_state_display()}"

    @property
    def is_final(self) -> bool:
        return self.state in {self.State.DONE, self.State.FAILED}
