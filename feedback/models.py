"""What people say of a result. Responses are only ever added: an amendment is a new response.

The database itself refuses to change or delete a response, a form that one answers, and a frozen form (migrations 0003
and 0005), and a correction that was measured (0007).
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from dicom_ingest.models import Exam, Series
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


class Correction(models.Model):
    """A segmentation as a person would have it, or their word that nothing should be drawn at all.

    A copy is stored, never over what it corrects. A worker measures it; once measured, only a newer correction of the
    same author, in the same sitting, is noted on it. PostgreSQL refuses the rest (migration 0007).
    """

    class State(models.TextChoices):
        MEASURING = "measuring", "Being measured"
        MEASURED = "measured", "Measured"
        FAILED = "failed", "Could not be measured"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    predecessor = models.ForeignKey(
        Series, on_delete=models.PROTECT, related_name="corrections", help_text="The segmentation that was corrected"
    )
    result = models.ForeignKey(
        Result, on_delete=models.PROTECT, null=True, blank=True, related_name="corrections", help_text="Of which it is"
    )
    exam = models.ForeignKey(Exam, on_delete=models.PROTECT, related_name="corrections")
    series = models.OneToOneField(
        Series, on_delete=models.PROTECT, null=True, blank=True, related_name="correction", help_text="The stored copy"
    )
    is_empty = models.BooleanField(default=False, help_text='"No lesion": nothing should be drawn')
    original = models.CharField(max_length=200, blank=True, help_text="What was received, from the store's root")
    original_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the whole file")
    sitting = models.CharField(
        max_length=100, blank=True, help_text="The read in which it was made; empty for the result's own page"
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="corrections")
    made_at = models.DateTimeField(default=now)
    seconds = models.FloatField(null=True, blank=True, help_text="From the editor's opening to the save")
    state = models.CharField(max_length=9, choices=State.choices, default=State.MEASURING)
    problem = models.TextField(blank=True, help_text="Why it could not be measured, in words")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often a worker began to measure it")
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Until when a worker has it to itself")
    replaced_by = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaces", help_text="The newer one"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["predecessor", "author", "sitting"],
                condition=models.Q(replaced_by=None),
                name="one_correction_counts",
            ),
            models.CheckConstraint(
                condition=models.Q(is_empty=True, series=None) | models.Q(is_empty=False, series__isnull=False),
                name="a_correction_is_drawn_or_empty",
            ),
        ]
        indexes = [models.Index(fields=["made_at"], condition=models.Q(state="measuring"), name="correction_waiting")]
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return str(self.pk)


class CorrectedStructure(models.Model):
    """One structure of a correction beside the same one of the segmentation that it corrects, on the source's grid."""

    correction = models.ForeignKey(Correction, on_delete=models.CASCADE, related_name="structures")
    number = models.PositiveSmallIntegerField(help_text="Number of its segment")
    label = models.CharField(max_length=64)
    ml = models.FloatField(help_text="Its volume as corrected")
    before_ml = models.FloatField(help_text="Its volume before")
    dice = models.FloatField(null=True, help_text="2 |A and B| / (|A| + |B|); empty where both are empty")
    hausdorff95_mm = models.FloatField(null=True, help_text="Empty where one of both is empty")
    added_ml = models.FloatField(help_text="Drawn now, and not before")
    removed_ml = models.FloatField(help_text="Drawn before, and not now")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["correction", "number"], name="one_row_per_corrected_structure")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.label}: {self.ml:.2f} ml"

    @property
    def difference_ml(self) -> float:
        """Its volume as corrected less its volume before."""
        return self.ml - self.before_ml
