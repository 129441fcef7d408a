"""What people say of a result. Responses are only ever added: an amendment is a new response.

The database itself refuses to change or delete a response, a form that one answers, and a frozen form (migrations 0003
and 0005).
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from inference.models import Result


class Form(models.Model):
    """A versioned set of questions; `feedback.forms` reads `questions`. A used or frozen version never changes.

    questions: a list of questions, or, where a form has sections or translations, an object with `sections`.
    """

    slug = models.SlugField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=200)
    questions = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    frozen_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when a frozen protocol asks it, so that it never changes"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug", "version"], name="one_form_per_version")]
        ordering = ["slug", "-version"]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"


class FormDraft(models.Model):
    """A form being written in the builder. `definition` may be unfinished; publishing makes a version of a form."""

    slug = models.SlugField(max_length=100, unique=True)
    study = models.SlugField(max_length=100, blank=True, help_text="The study whose coordinators may write it too")
    name = models.CharField(max_length=200)
    definition = models.JSONField()
    earlier = models.JSONField(default=list, help_text="What it was before each of the last steps, the oldest first")
    revision = models.PositiveIntegerField(default=1, help_text="Counts the steps, so that two tabs do not mix")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return self.slug


class Response(models.Model):
    """One answered form: who said what of which result, when, and how long it took.

    In an arm without a result of ours there is only the `sitting` to tell what it is about.
    """

    class Source(models.TextChoices):
        PAGE = "page", "Result page, time measured by the server"
        API = "api", "API, time as the client gave it"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="responses")
    result = models.ForeignKey(Result, on_delete=models.PROTECT, null=True, blank=True, related_name="responses")
    sitting = models.CharField(
        max_length=100, blank=True, help_text="The read in which it was given; empty for the result's own page"
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="responses")
    answers = models.JSONField()
    seconds = models.FloatField(
        null=True, blank=True, help_text="From the form's opening to its submission; empty when nobody measured it"
    )
    active_seconds = models.FloatField(
        null=True, blank=True, help_text="Those of them in which the page was in front and in use, as it counted"
    )
    source = models.CharField(max_length=4, choices=Source.choices, default=Source.PAGE)
    submitted_at = models.DateTimeField(default=now)
    amends = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="amended_by")
    reason = models.TextField(blank=True, help_text="Why it amends what was said before")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["result", "author", "sitting"], condition=models.Q(amends=None), name="one_first_response"
            ),
            models.UniqueConstraint(
                fields=["author", "sitting"],
                condition=models.Q(amends=None) & ~models.Q(sitting=""),
                name="one_first_response_of_a_sitting",
            ),
        ]
        ordering = ["-submitted_at"]

    def __str__(self) -> str:
        return str(self.pk)
