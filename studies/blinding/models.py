"""Whether cases can be shown blind, for who coordinates their study."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from studies.case_models import Case


class CaseShowing(models.Model):
    """Whether a case, with the findings that it had when it was looked at, can be shown to readers.

    problem names arms and series: for those who may know of them, never for readers.
    """

    case = models.OneToOneField(Case, on_delete=models.CASCADE, related_name="showing")
    problem = models.TextField(blank=True, help_text="Why it cannot be shown, in words; empty where it can")
    checked_at = models.DateTimeField(default=now)

    class Meta:
        indexes = [models.Index(fields=["checked_at"])]

    def __str__(self) -> str:
        return f"showing of {self.case}"
