"""A study's protocol in its versions."""

from __future__ import annotations

from functools import cached_property

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from feedback.models import Form
from studies.protocols.protocol_schema import Protocol


class ProtocolVersion(models.Model):
    """One version of a study's protocol. Only the newest may be a draft; a frozen one is never changed again.

    PostgreSQL refuses to change or delete a frozen version.
    """

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="protocols")
    number = models.PositiveIntegerField(help_text="Counts up within the study")
    document = models.JSONField(help_text="A studies.protocol_schema.Protocol")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the document in its canonical form")
    reason = models.TextField(blank=True, help_text="Why it was amended; empty for the first version")
    forms = models.ManyToManyField(Form, related_name="+", help_text="The versions of its forms, since it was frozen")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(default=now)
    frozen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    frozen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["study", "-number"]
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="one_protocol_per_number")]

    def __str__(self) -> str:
        return f"{self.study.slug} v{self.number}"

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at is not None

    @cached_property
    def content(self) -> Protocol:
        """The document, typed."""
        return Protocol.model_validate(self.document)


class StageChange(models.Model):
    """A study's step from one stage to the next. Only added to."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="stage_changes")
    before = models.CharField(max_length=10)
    after = models.CharField(max_length=10)
    reason = models.TextField(blank=True, help_text="Why; empty for a step that goes forward")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["study", "-made_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.study}: {self.before} to {self.after}"
