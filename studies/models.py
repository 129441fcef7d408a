"""Validation studies: who takes part, and which exams are enrolled."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam
from feedback.models import Form
from portal.access import Role


class Study(models.Model):
    """A validation study. Exams that complete on its AE title are enrolled as its cases."""

    slug = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    question = models.TextField(help_text="What the study is to find out")
    ae_title = models.OneToOneField(AETitle, on_delete=models.PROTECT, related_name="study")
    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="studies")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.title


class Membership(models.Model):
    """A user's role in a study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "user", "role"], name="one_membership_per_role")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.study}"


class Case(models.Model):
    """One exam enrolled in one study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="cases")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="cases")
    number = models.PositiveIntegerField(help_text="Counts up within the study, in order of enrolment")
    enrolled_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "exam"], name="one_case_per_exam"),
            models.UniqueConstraint(fields=["study", "number"], name="one_case_per_number"),
        ]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"case {self.number} of {self.study}"
