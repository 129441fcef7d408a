"""How far a model has come, and every step it took, for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.timezone import now

if TYPE_CHECKING:
    from inference.models import RegisteredModel


class Stage(models.TextChoices):
    """How far a model has come towards use. Only a retired one takes no new exams."""

    DEVELOPMENT = "development", "Development"
    PILOT = "pilot", "Pilot"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"


class StageChange(models.Model):
    """One step of a model from one stage to another. PostgreSQL refuses to change or delete it."""

    model: models.ForeignKey[RegisteredModel, RegisteredModel] = models.ForeignKey(
        "inference.RegisteredModel", on_delete=models.PROTECT, related_name="stage_changes"
    )
    before = models.CharField(max_length=11, choices=Stage.choices, blank=True, help_text="Empty for the first")
    after = models.CharField(max_length=11, choices=Stage.choices)
    at = models.DateTimeField(default=now)
    by = models.CharField(max_length=150, help_text="A user of the portal, or who gave the command")
    reason = models.TextField()

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.before or 'new'} to {self.after}"
