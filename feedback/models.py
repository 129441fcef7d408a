"""What people say of a result. Responses are only ever added: an amendment is a new response.

The database itself refuses to change or delete a response, or a form that one answers (migration 0004).
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from inference.models import Result


class Form(models.Model):
    """A versioned set of questions; `feedback.forms` reads `questions`. A used version never changes."""

    slug = models.SlugField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=200)
    questions = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug", "version"], name="one_form_per_version")]
        ordering = ["slug", "-version"]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"


class Response(models.Model):
    """One answered form: who said what of which result, when, and how long it took."""

    class Source(models.TextChoices):
        PAGE = "page", "Result page, time measured by the server"
        API = "api", "API, time as the client gave it"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="responses")
    result = models.ForeignKey(Result, on_delete=models.PROTECT, related_name="responses")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="responses")
    answers = models.JSONField()
    seconds = models.FloatField(
        null=True, blank=True, help_text="From the form's opening to its submission; empty when nobody measured it"
    )
    source = models.CharField(max_length=4, choices=Source.choices, default=Source.PAGE)
    submitted_at = models.DateTimeField(default=now)
    amends = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="amended_by")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["result", "author"], condition=models.Q(amends=None), name="one_first_response"
            )
        ]
        ordering = ["-submitted_at"]

    def __str__(self) -> str:
        return str(self.pk)
